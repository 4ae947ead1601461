// The page's only script: the browser's language first, and what a token under the mouse cost.
const switches = document.querySelectorAll("[name=language]");

function speak(language) {
  document.documentElement.lang = language;
  for (const one of switches) one.checked = one.value === language;
}

for (const one of switches) one.addEventListener("change", () => speak(one.value));
speak(navigator.language.toLowerCase().startsWith("tr") ? "tr" : "en");

function shown(number, options) {
  return new Intl.NumberFormat(document.documentElement.lang, options).format(number);
}

function seen(text) {
  return text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}

function tell(event) {
  const token = event.target;
  if (!(token instanceof HTMLElement) || !token.dataset.bits) return;
  const readout = token.closest("article").querySelector(".readout");
  const put = (name, text) => { readout.querySelector(name).textContent = text; };
  put(".token", seen(token.textContent));
  put(".bits", shown(Number(token.dataset.bits), { maximumFractionDigits: 1 }));
  put(".guess", token.dataset.guess);
  put(".chance", shown(Number(token.dataset.chance), { style: "percent" }));
  readout.querySelector(".instead").hidden = token.dataset.guess === seen(token.textContent);
  readout.hidden = false;
}

document.addEventListener("pointerover", tell);
document.addEventListener("click", tell);

// The page's only script: the language that is chosen, and what a token under the mouse cost.
const switches = document.querySelectorAll("[name=language]");

function follow() {
  // a browser that goes back to the page may have kept another choice than the file's
  document.documentElement.lang = [...switches].find((one) => one.checked).value;
}

for (const one of switches) one.addEventListener("change", follow);
window.addEventListener("pageshow", follow);

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

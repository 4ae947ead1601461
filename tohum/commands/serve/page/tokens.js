// The pieces of a text with their tokens, and the panel that shows what else was likely.

import { percent, say } from "./texts.js";

const LEVELS = [0.9, 0.5, 0.2, 0.05]; // the least probability of each colour but the last

const SIGNS = [
  [/ /g, "·"],
  [/\n/g, "↵"],
  [/\r/g, "␍"],
  [/\t/g, "→"],
];
const NAMES = { " ": "space", "\n": "newline", "\t": "tab", "": "end" };

/** The number of a probability's colour: 0 is the surest. */
function level(chance) {
  const found = LEVELS.findIndex((least) => chance >= least);
  return found < 0 ? LEVELS.length : found;
}

/** A token's text with signs for what is invisible. */
function visible(text) {
  return text === "" ? `⟨${say("end")}⟩` : SIGNS.reduce((shown, pair) => shown.replace(...pair), text);
}

/** A token's text as it is read out. */
function spoken(text) {
  return text in NAMES ? say(NAMES[text]) : text.trim() || visible(text);
}

/** A text with a sign, which is not part of it, before each line's end: it can be pointed at. */
function signed(text) {
  return text.split(/(?=\n)/).flatMap((line) => (line[0] === "\n" ? [element("i", "sign"), line] : line));
}

export function element(tag, name, text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}

/**
 * A text that the model writes, in an element of the page. One of its pieces can be reached with
 * Tab, the others from there with the arrow keys.
 */
export class WrittenText {
  constructor(inspector, branch = null) {
    this.node = element("span", "written");
    this.pieces = [];
    this.text = "";
    this.count = 0;
    this.branch = branch; // what continues with another token, if that can be done
    this.inspector = inspector;
    this.node.addEventListener("pointerover", (event) => this.#show(event.target));
    this.node.addEventListener("focusin", (event) => this.#show(event.target, true));
    this.node.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Adds a piece; tokens of which a character is not complete yet come with a later one. */
  append({ text, tokens }) {
    if (!text && !tokens.length) return;
    const piece = { text, tokens, number: this.count + 1, start: this.text.length };
    this.text += text;
    this.count += tokens.length;
    this.pieces.push(piece);
    this.node.append(this.#button(piece));
  }

  #button(piece) {
    const node = element("span", "token");
    node.append(...signed(piece.text));
    if (!piece.tokens.length) return node;
    const chance = piece.tokens.reduce((product, token) => product * token.chance, 1);
    node.classList.add(`level-${level(chance)}`);
    node.dataset.number = this.pieces.length - 1;
    node.tabIndex = this.node.querySelector("[tabindex='0']") ? -1 : 0;
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", `${spoken(piece.text)}, ${percent(chance)}`);
    return node;
  }

  #show(node, focused = false) {
    const piece = this.pieces[node.dataset.number];
    if (!piece) return;
    if (focused) {
      this.node.querySelector("[tabindex='0']").tabIndex = -1;
      node.tabIndex = 0;
    }
    this.inspector.show(this, piece, node);
  }

  #move(event) {
    const all = [...this.node.querySelectorAll("[role=button]")];
    const here = all.indexOf(document.activeElement);
    const last = all.length - 1;
    const places = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: last };
    if (here < 0 || !(event.key in places)) return;
    event.preventDefault();
    all[Math.min(last, Math.max(0, places[event.key]))].focus();
  }
}

/** The panel beside the text. */
export class Inspector {
  constructor(node, hint, choice) {
    Object.assign(this, { node, hint, choice });
    this.current = null;
  }

  /** Shows the tokens of a piece. */
  show(written, piece, node) {
    this.current?.classList.remove("current");
    this.current = node;
    node.classList.add("current");
    const blocks = piece.tokens.map((token, index) =>
      block(token, piece.number + index, written.count),
    );
    this.choice.replaceChildren(...blocks.map((made) => made.node), ...notes(written, piece));
    if (written.branch && whole(piece)) {
      for (const { rows } of blocks) for (const row of rows) offer(row, written, piece);
    }
    this.hint.hidden = true;
    this.node.classList.add("open");
  }

  /** Shows no token. */
  clear() {
    this.current?.classList.remove("current");
    this.current = null;
    this.choice.replaceChildren();
    this.hint.hidden = false;
    this.node.classList.remove("open");
  }
}

/** Whether the piece is just its one token. */
function whole(piece) {
  return piece.tokens.length === 1 && piece.tokens[0].text === piece.text;
}

function block(token, number, count) {
  const node = element("div", "block");
  const title = element("p", "title");
  title.append(
    element("span", "quiet", say("place", { number, count })),
    element("code", `shape level-${level(token.chance)}`, visible(token.text)),
    element("strong", "", percent(token.chance)),
  );
  const list = element("ul", "chances");
  const listed = token.top.some((other) => other.text === token.text)
    ? token.top
    : [...token.top, { text: token.text, chance: token.chance }];
  const rows = listed.map((other) => ({ other, node: row(other, other.text === token.text) }));
  const rest = Math.max(0, 1 - listed.reduce((sum, other) => sum + other.chance, 0));
  list.append(...rows.map((made) => made.node), bar(say("rest"), rest, "rest"));
  node.append(title, list);
  return { node, rows: rows.filter(({ other }) => other.text && other.text !== token.text) };
}

function row(other, chosen) {
  const node = bar(visible(other.text), other.chance, chosen ? "chosen" : "");
  if (chosen) node.firstChild.append(element("span", "unseen", ` (${say("chosen")})`));
  return node;
}

function bar(name, chance, kind) {
  const node = element("li", kind);
  const label = element(kind === "rest" ? "span" : "code", "name", name);
  const length = element("span", "bar");
  length.style.setProperty("--chance", chance);
  node.append(label, length, element("span", "percent", percent(chance)));
  return node;
}

/** Makes a row a button that continues with its token in place of the one that was written. */
function offer({ other, node }, written, piece) {
  if (other.text.includes("\ufffd")) return;
  const button = element("button", "name", visible(other.text));
  button.type = "button";
  button.addEventListener("click", () => {
    written.branch(written.text.slice(0, piece.start) + other.text);
  });
  node.firstChild.replaceWith(button);
}

function notes(written, piece) {
  const names = ["raw"];
  if (piece.tokens.length > 1) names.push("together");
  else if (!piece.tokens[0].text.includes("\ufffd") && !whole(piece)) names.push("spelled");
  else if (written.branch) names.push("instead");
  return names.map((name) => element("p", "quiet", say(name)));
}

/** Fills the list that says which colour means which probability. */
export function explainColours(list) {
  const bounds = [...LEVELS, null];
  list.replaceChildren(
    ...bounds.map((least, number) => {
      const most = number ? percent(LEVELS[number - 1]) : "";
      const values = { least: least && percent(least), most };
      const name = !number ? "above" : least ? "between" : "below";
      const item = element("li");
      item.append(element("span", `swatch level-${number}`), say(name, values));
      return item;
    }),
  );
}

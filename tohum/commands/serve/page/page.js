// The page's three modes: write, fill in, talk.

import { Failure, learned, pieces } from "./client.js";
import { LANGUAGE, TEXTS, say, shown } from "./texts.js";
import { Inspector, WrittenText, element, explainColours } from "./tokens.js";

const SETTINGS = ["temperature", "top_p", "max_tokens", "seed"];
const NAMES = { temperature: "temperature", top_p: "topP", max_tokens: "tokens", seed: "seed" };
const BUTTONS = { write: "goWrite", fill: "goFill", talk: "goTalk" };
const TEXT_FIELDS = { write: "prompt", fill: "prefix", talk: "message" };

const at = (id) => document.getElementById(id);
const form = at("form");
const inspector = new Inspector(at("inspector"), at("hint"), at("choice"));

const known = {}; // what the server has told
const results = { write: null, fill: null }; // the last text of each mode, in its element
const messages = []; // the conversation so far
const log = element("div", "log");
let running = null; // what stops the text that is being written

const mode = () => document.querySelector("[name=mode]:checked").value;
const values = () => Object.fromEntries(SETTINGS.map((name) => [name, form.elements[name].value]));

// Texts and facts

function translate() {
  document.documentElement.lang = LANGUAGE;
  document.title = say("title");
  at("notice").textContent = say("noConversations");
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = TEXTS[LANGUAGE][node.dataset.text];
  }
  explainColours(at("scale"));
}

async function learn(name) {
  try {
    Object.assign(known, await learned(name, at("key").value));
    return true;
  } catch (error) {
    report(error);
    return false;
  }
}

async function begin() {
  if (!(await learn("facts"))) return;
  at("facts").textContent = say("facts", { context: shown(known.context) });
  for (const name of SETTINGS) {
    if (!form.elements[name].value) form.elements[name].value = known.settings[name];
  }
  summarise();
  if (mode() === "talk") warn();
}

/** Says so if the model was not trained on conversations; that takes it a moment to find out. */
async function warn() {
  if (!("conversations" in known) && !(await learn("conversations"))) return;
  at("notice").hidden = mode() !== "talk" || known.conversations;
}

function summarise() {
  const given = Object.entries(values()).map(([name, value]) => [name, shown(Number(value))]);
  at("values").textContent = say("values", Object.fromEntries(given));
}

function changeMode() {
  const now = mode();
  for (const node of document.querySelectorAll("[data-mode]")) {
    node.hidden = node.dataset.mode !== now;
  }
  const talk = now === "talk";
  at("notice").hidden = true;
  if (talk) warn();
  at("go").textContent = say(BUTTONS[now]);
  at("keys").textContent = say(talk ? "keysTalk" : "keysText");
  at("output").replaceChildren(...[talk ? log : results[now]].filter(Boolean));
  at("status").textContent = "";
  if (talk) form.before(at("result"));
  else at("error").after(at("result"));
  inspector.clear();
  showButtons();
}

function showButtons() {
  const now = mode();
  at("go").hidden = Boolean(running);
  at("stop").hidden = !running;
  at("keep").hidden = Boolean(running) || now === "talk" || !results[now];
  at("forget").hidden = Boolean(running) || now !== "talk" || !messages.length;
  for (const input of document.querySelectorAll("[name=mode]")) input.disabled = Boolean(running);
}

// Errors, in words

function report(error) {
  if (!(error instanceof Failure)) throw error;
  const setting = NAMES[error.param];
  const name = setting ? "wrongSetting" : error.name;
  at("error").textContent = say(name, { message: error.message, name: setting && say(setting) });
  at("error").hidden = false;
  if (setting) mark(form.elements[error.param]);
  if (error.name === "keyNeeded") {
    at("key-field").hidden = false;
    at("key").focus();
  }
}

function mark(input) {
  at("settings").open = true;
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

function forgive() {
  at("error").hidden = true;
  for (const name of SETTINGS) form.elements[name].removeAttribute("aria-invalid");
}

/** The settings as the server reads them; an empty one is left to the server. */
function settings() {
  const read = {};
  for (const name of SETTINGS) {
    const input = form.elements[name];
    if (input.validity.badInput) {
      mark(input);
      throw new Failure("notNumber", "", name);
    }
    if (input.value) read[name] = Number(input.value);
  }
  return read;
}

// Writing

async function start() {
  if (running) return;
  forgive();
  try {
    const read = settings();
    await (mode() === "talk" ? talk(read) : write(read));
  } catch (error) {
    report(error);
  }
}

/** Continues the text or fills the gap; `begun` is a start that the user has chosen. */
async function write(read, begun = "") {
  const now = mode();
  const before = at(TEXT_FIELDS[now]).value;
  const body = { ...read, prompt: before + begun };
  if (now === "fill") body.suffix = at("suffix").value;
  const written = new WrittenText(inspector, (other) => again(other));
  written.append({ text: begun, tokens: [] });
  const paper = element("div", "paper code");
  paper.append(element("span", "given", before), written.node);
  if (body.suffix) paper.append(element("span", "given", body.suffix));
  results[now] = Object.assign(paper, { written });
  at("output").replaceChildren(paper);
  await follow(written, "v1/completions", body);
}

async function again(begun) {
  if (running) return;
  forgive();
  try {
    await write(settings(), begun);
  } catch (error) {
    report(error);
  }
}

async function talk(read) {
  const field = at("message");
  if (!field.value.trim()) throw new Failure("nothingToSay");
  const asked = { role: "user", content: field.value };
  const written = new WrittenText(inspector);
  const question = turn("user", element("span", "", field.value));
  const answer = turn("assistant", written.node);
  messages.push(asked);
  field.value = "";
  try {
    await follow(written, "v1/chat/completions", { ...read, messages });
    messages.push({ role: "assistant", content: written.text });
  } catch (error) {
    if (written.text) messages.push({ role: "assistant", content: written.text });
    else { // nothing was said, so the question is asked again
      messages.pop();
      field.value = asked.content;
      question.remove();
      answer.remove();
    }
    throw error;
  } finally {
    showButtons();
  }
}

function turn(role, content) {
  const node = element("div", `turn ${role}`);
  const text = element("div", "words");
  text.append(content);
  node.append(element("h3", "", say(role === "user" ? "you" : "model")), text);
  log.append(node);
  return node;
}

/** Shows a text as it comes, until it ends, is stopped or breaks off. */
async function follow(written, path, body) {
  running = new AbortController();
  inspector.clear();
  at("status").textContent = say("writing");
  at("output").setAttribute("aria-busy", "true");
  showButtons();
  const began = performance.now();
  let end = "endBroken";
  try {
    for await (const piece of pieces(path, body, at("key").value, running.signal)) {
      keepInView(() => written.append(piece));
      if (piece.finish) end = ending(piece.finish, written, body);
    }
  } catch (error) {
    if (!running.signal.aborted) throw error;
    end = "endStopped";
  } finally {
    finish(written, end, performance.now() - began);
  }
}

/** Lets a text grow. In a conversation what is below it stays in view, if it was. */
function keepInView(grow) {
  const seen = mode() === "talk" && form.getBoundingClientRect().top < window.innerHeight;
  grow();
  if (seen) form.scrollIntoView({ block: "nearest" });
}

function finish(written, end, milliseconds) {
  const speed = shown(Math.round((1000 * written.count) / Math.max(1, milliseconds)));
  const counted = say("written", { count: shown(written.count), speed, end: say(end) });
  at("status").textContent = written.count || end !== "endBroken" ? counted : "";
  at("output").removeAttribute("aria-busy");
  running = null;
  showButtons();
}

function ending(finishReason, written, body) {
  if (finishReason === "stop") return "endStop";
  const most = body.max_tokens ?? known.settings?.max_tokens;
  return written.count < most ? "endContext" : "endLength";
}

function keep() {
  const now = mode();
  at(TEXT_FIELDS[now]).value += results[now].written.text;
  results[now] = null;
  changeMode();
  at(TEXT_FIELDS[now]).focus();
}

function forget() {
  messages.length = 0;
  log.replaceChildren();
  changeMode();
  at("message").focus();
}

// What the user does

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
form.addEventListener("keydown", (event) => {
  const enter = event.key === "Enter" && !event.isComposing;
  const send = event.ctrlKey || event.metaKey || (event.target.id === "message" && !event.shiftKey);
  if (!enter || event.target.tagName !== "TEXTAREA" || !send) return;
  event.preventDefault();
  start();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (running) running.abort();
  else inspector.clear();
});
for (const input of document.querySelectorAll("[name=mode]")) {
  input.addEventListener("change", () => {
    forgive();
    changeMode();
  });
}
at("stop").addEventListener("click", () => running?.abort());
at("keep").addEventListener("click", keep);
at("forget").addEventListener("click", forget);
at("close").addEventListener("click", () => inspector.clear());
at("settings").addEventListener("input", summarise);
at("key").addEventListener("change", () => {
  forgive();
  begin();
});
at("coloured").addEventListener("change", (event) => {
  document.body.classList.toggle("plain", !event.target.checked);
});

translate();
changeMode();
begin();

// Asks the server, and turns its answers into pieces of text with the tokens that spell them.

const ALTERNATIVES = 6;
const FRAME = 16; // milliseconds between two pictures of the page

/** What went wrong, by its name in texts.js; `param` is the field that the server refused. */
export class Failure extends Error {
  constructor(name, message = "", param = null) {
    super(message);
    this.name = name;
    this.param = param;
  }
}

/** What the server tells the page under a name: `facts` or `conversations`. */
export async function learned(name, key) {
  const answer = await request(`page/${name}`, key, {});
  return answer.json();
}

/**
 * Yields {text, tokens, finish} as they come. Each token has its text, its probability and the
 * likeliest alternatives, which may include it.
 */
export async function* pieces(path, body, key, signal) {
  const chat = "messages" in body;
  const asked = chat ? { logprobs: true, top_logprobs: ALTERNATIVES } : { logprobs: ALTERNATIVES };
  const answer = await request(path, key, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, ...asked, stream: true }),
    signal,
  });
  for await (const event of events(answer.body, signal)) {
    const [choice] = event.choices;
    const text = chat ? choice.delta.content ?? "" : choice.text;
    yield { text, tokens: tokens(choice.logprobs, chat), finish: choice.finish_reason };
  }
}

async function request(path, key, options) {
  const headers = key ? { ...options.headers, Authorization: `Bearer ${key}` } : options.headers;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    throw options.signal?.aborted ? error : new Failure("gone");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) throw new Failure("keyNeeded");
  if (answer.status >= 500) throw new Failure("failed");
  const { error } = await answer.json();
  throw new Failure("refused", error.message, error.param);
}

/** Yields the values of server-sent events. A stream without its last event was cut. */
async function* events(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let drawn = performance.now();
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      throw signal.aborted ? error : new Failure("cut");
    }
    if (part.done) throw new Failure("cut");
    const found = (rest + part.value).split("\n\n");
    rest = found.pop();
    for (const event of found) {
      if (event === "data: [DONE]") return;
      // A small model writes ten thousand tokens a second: the page must be drawn, and "Stop" heard.
      if (performance.now() - drawn > FRAME) {
        await new Promise((resume) => setTimeout(resume));
        signal.throwIfAborted();
        drawn = performance.now();
      }
      yield JSON.parse(event.slice("data: ".length));
    }
  }
}

/** The two APIs have two shapes for the same. */
function tokens(logprobs, chat) {
  if (!logprobs) return [];
  if (chat) {
    return logprobs.content.map((entry) => ({
      ...token(entry.token, entry.logprob),
      top: entry.top_logprobs.map((other) => token(other.token, other.logprob)),
    }));
  }
  return logprobs.tokens.map((text, number) => ({
    ...token(text, logprobs.token_logprobs[number]),
    top: Object.entries(logprobs.top_logprobs[number])
      .map(([other, logprob]) => token(other, logprob))
      .sort((one, two) => two.chance - one.chance),
  }));
}

function token(text, logprob) {
  return { text, chance: Math.exp(logprob) };
}

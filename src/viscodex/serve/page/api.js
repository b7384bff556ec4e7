// The server, as the page talks to it; whatever goes wrong becomes a Problem, whose message is for people.

export class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const KEY = "viscodex key";
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text),
};

function headers() {
  const found = { "content-type": "application/json" };
  return key.get() ? { ...found, authorization: `Bearer ${key.get()}` } : found;
}

async function request(path, options) {
  let reply;
  try {
    reply = await fetch(path, { ...options, headers: headers() });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server does not answer. Is it still running?");
  }
  if (reply.ok) return reply;
  const body = await reply.json().catch(() => null);
  const wait = reply.headers.get("retry-after");
  const words = body?.error?.message ?? `The server answers ${reply.status}.`;
  throw new Problem(sentence(words) + (wait ? ` Try again in ${wait} s.` : ""), reply.status);
}

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");

export const get = async (path) => (await request(path, {})).json();
export const post = async (path, body, signal) =>
  (await request(path, { method: "POST", body: JSON.stringify(body), signal })).json();

/** The pieces of one answer: `{text}` as it is written, `{finish}` and `{usage}` in the end. */
export async function* chat(body, signal) {
  const asked = { ...body, stream: true, stream_options: { include_usage: true } };
  const reply = await request("/v1/chat/completions", { method: "POST", body: JSON.stringify(asked), signal });
  let isWhole = false;
  for await (const data of events(reply.body)) {
    if (data === "[DONE]") {
      isWhole = true;
      break;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Problem(sentence(chunk.error.message));
    const [choice] = chunk.choices;
    yield { text: choice?.delta?.content ?? "", finish: choice?.finish_reason ?? "", usage: chunk.usage ?? null };
  }
  if (!isWhole) throw new Problem("The server broke off in the middle of the answer.");
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      held += value;
      const lines = held.split("\n");
      held = lines.pop();
      for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The connection to the server was lost.");
  } finally {
    reader.cancel().catch(() => {});
  }
}

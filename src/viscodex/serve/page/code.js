// The code in an answer that is still being written; the whole answer's is found by the server.

const PAGE = /<!doctype\s+html|<html[\s>]/i;
const FENCE = /(?:^|\n)(`{3,}|~{3,})[^\n]*\n([\s\S]*?)(?:\n\1[ \t]*(?=\n|$)|$)/g;

export function codeSoFar(answer, kind) {
  const text = answer.replace(/^\s*<think>[\s\S]*?(<\/think>|$)/i, "");
  if (kind === "qa") return text;
  const blocks = [...text.matchAll(FENCE)].map((match) => match[2]);
  if (kind === "html") {
    const block = blocks.find((one) => PAGE.test(one));
    if (block !== undefined) return block;
    const start = text.search(PAGE);
    if (start >= 0) return text.slice(start);
  }
  return blocks.length ? blocks.reduce((a, b) => (b.length > a.length ? b : a)) : text.trimStart();
}

export const SUFFIX = { html: ".html", chart: ".py", algorithm: ".py", qa: ".txt" };

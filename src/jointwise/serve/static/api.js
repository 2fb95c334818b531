// Asks the server; whatever it refuses becomes an Error with its sentence.
export async function ask(path, options = {}) {
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is jointwise serve still running?");
  }
  if (reply.status === 204) return null;
  const content = await reply.json().catch(() => null);
  if (reply.ok) return content;
  const detail = typeof content?.detail === "string" ? content.detail : `The server answered ${reply.status}.`;
  throw new Error(detail);
}

/** Sends JSON. */
export function send(method, path, content) {
  return ask(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(content) });
}

export const element = (...args) => SkeletonPanels.element(...args);

export const find = (selector) => document.querySelector(selector);

/** Shows a sentence until it is dismissed. */
export function say(words) {
  const line = element("p", "message");
  const text = element("span", "", words);
  const button = element("button", "", "×");
  button.type = "button";
  button.setAttribute("aria-label", "Dismiss");
  button.addEventListener("click", () => line.remove());
  line.append(text, button);
  find("#messages").append(line);
}

export function unsay() {
  find("#messages").replaceChildren();
}

let waiting = 0;

/** Shows what is done until it is done, with more words after a while; an error becomes a message and undefined. */
export async function during(words, work, later = "") {
  const line = find("#busy");
  waiting += 1;
  line.textContent = words;
  line.hidden = false;
  const patience = setTimeout(() => (line.textContent = `${words} ${later}`), 4000);
  try {
    return await work();
  } catch (error) {
    for (const part of error.message.split("\n")) say(part);
    return undefined;
  } finally {
    clearTimeout(patience);
    waiting -= 1;
    line.hidden = waiting === 0;
  }
}

/** What doctor finds, in order of gravity. */
export function findingsList(groups) {
  const list = element("ul", "findings");
  for (const { check, verdict, count, messages, remedy } of groups) {
    const entry = element("li", `verdict-${verdict}`);
    entry.append(element("b", "", verdict), ` ${check}${count > 1 ? ` (${count})` : ""}: `);
    entry.append(messages.join(" "), remedy && ` → ${remedy}`);
    list.append(entry);
  }
  return list;
}

// The data set that is browsed: its recordings, and what doctor finds.
import { ask, during, element, find, findingsList } from "./api.js";

const MOST = 500; // rows that are shown at once

let data;

/** Shows the data set; it is asked for once. open(name) opens one of its recordings. */
export async function showData(open) {
  if (data) return;
  data = await during("Looking at the data set; large ones take a while …", () => ask("/api/data"));
  if (!data) return;
  const words = { fine: "nothing stands out", look: "worth a look; a training works", stop: "it would spoil a training" };
  find("#verdict").textContent = `${data.recordings.length} recordings. ${data.verdict}: ${words[data.verdict]}.`;
  find("#data-findings").replaceChildren(findingsList(data.findings));
  find("#search").addEventListener("input", () => list(open));
  list(open);
}

function list(open) {
  const wanted = find("#search").value.trim().toLowerCase();
  const found = data.recordings.filter(({ name, label, subject }) =>
    `${name} ${label ?? ""} ${subject ?? ""}`.toLowerCase().includes(wanted));
  find("#shown").textContent = found.length > MOST ? `the first ${MOST} of ${found.length}` : `${found.length}`;
  find("#data tbody").replaceChildren(...found.slice(0, MOST).map((one) => row(one, open)));
}

function row({ name, label, subject, persons, frames, fps, seen }, open) {
  const made = element("tr");
  const button = Object.assign(element("button", "link", name), { type: "button" });
  button.addEventListener("click", () => open(name));
  const first = element("td");
  first.append(button);
  const others = [label ?? "–", subject ?? "–", persons, (frames / fps).toFixed(1), `${(100 * seen).toFixed(1)} %`];
  made.append(first, ...others.map((value) => element("td", "", value)));
  return made;
}

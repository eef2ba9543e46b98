// The order desk: a CDS Hooks client. It never keeps an order from being signed, whatever the payer says or fails to say.

import { about, annotations, asks, isAnswer, isSatisfied, issues, sorted } from "./answer.js";
import { HOOK, coverages, order, request } from "./request.js";
import { annotation, card, element, folded, trace } from "./show.js";

// Milliseconds that a clinician is kept waiting: CRD gives a server five seconds.
const PATIENCE = 5000;

const at = (id) => document.getElementById(id);
const choices = await (await fetch("/desk/choices")).json();
const services = new Map();
const basket = [];
let answered = null;
let running = 0;

const today = () => new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 10);

// A call that is given up after a while. A reply that is no JSON has none.
async function call(url, body, patience = PATIENCE) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(url, { ...options, signal: AbortSignal.timeout(patience) });
  const text = await reply.text();
  let json;
  try { json = JSON.parse(text); } catch { json = undefined; }
  return { status: reply.status, ok: reply.ok, json, id: reply.headers.get("x-request-id") };
}

// Why there is no answer: a headline, and what is told below it.
class NoAnswer extends Error {
  constructor(headline, words) {
    super(words);
    this.headline = headline;
  }
}

// A reply that refuses: by the server's own words, where it has any. What the caller sent is told apart from what failed there.
function refused({ status, json }) {
  const told = issues(json);
  const headline = status >= 400 && status < 500 ? `The payer refused the request (${status}).` : `No answer (${status}).`;
  return new NoAnswer(headline, told.length ? told.join(" ") : "The server gave no reason.");
}

const unreadable = (what) => new NoAnswer("The answer cannot be read.", `The server answered, and what it sent is not ${what}.`);

// What failed, in words for whoever is at the desk.
function explained(error) {
  if (error instanceof NoAnswer) return error;
  if (error.name === "TimeoutError") return new NoAnswer("No answer in time.", `The payer was given ${PATIENCE / 1000} seconds.`);
  return new NoAnswer("No answer.", "The server cannot be reached, or does not let this page call it.");
}

// The service of a server that answers when orders are signed.
async function serviceOf(server) {
  if (!services.has(server)) {
    const reply = await call(`${server}/cds-services`);
    if (!reply.ok) throw refused(reply);
    if (!Array.isArray(reply.json?.services)) throw unreadable("a list of services");
    const found = reply.json.services.find((it) => it?.hook === HOOK);
    if (!found) throw new NoAnswer("No answer.", "This server has no service for signed orders.");
    services.set(server, found);
  }
  return services.get(server);
}

function chosen() {
  const form = new FormData(at("entry"));
  const of = (name, list) => list[form.get(name)];
  return {
    patient: of("patient", choices.patients), plan: of("plan", choices.plans), service: of("service", choices.services),
    place: of("place", choices.places), diagnosis: form.get("diagnosis") === "" ? undefined : of("diagnosis", choices.diagnoses),
    server: form.get("server"), version: form.get("version"),
  };
}

// What is chosen otherwise than a service would do by itself.
function options(service) {
  const offered = service.extension?.["davinci-crd.configuration-options"] ?? [];
  const said = offered.map(({ code, type, default: usual }) => {
    const input = document.querySelector(`#options [name="option-${CSS.escape(code)}"]`);
    if (!input) return [code, usual, usual];
    return [code, type === "boolean" ? input.checked : input.valueAsNumber, usual];
  });
  return Object.fromEntries(said.filter(([, value, usual]) => value !== usual && !Number.isNaN(value)).map(([code, value]) => [code, value]));
}

async function showOptions() {
  const { server } = chosen();
  const service = await serviceOf(server).catch(() => ({}));
  const offered = service.extension?.["davinci-crd.configuration-options"] ?? [];
  at("options").replaceChildren(element("legend", {}, "Kinds of answer wanted"), ...offered.map(({ code, type, name, default: usual }) => {
    const own = type === "boolean" ? { type: "checkbox", checked: usual === true } : { type: "number", min: 0, max: 99, value: usual };
    const input = element("input", { name: `option-${code}`, ...own });
    return element("label", {}, ...(type === "boolean" ? [input, ` ${name}`] : [`${name} `, input]));
  }));
  at("options").hidden = !offered.length;
}

// An answer that is not about what the form says now is an earlier one.
function supersede() {
  if (!answered) return;
  const rows = at("orders").querySelectorAll("li.order");
  for (const row of rows) {
    row.querySelector(".headline")?.prepend(element("span", { class: "said unsure" }, "Superseded"), " ");
    row.querySelectorAll("form.anyway button").forEach((button) => { button.disabled = true; });
    at("superseded").prepend(row);
  }
  at("earlier").hidden = false;
  at("cards").replaceChildren();
  at("exchange").hidden = true;
  at("state").textContent = "The order has changed since. Sign to ask the payer again.";
  answered = null;
}

// The row of an order, with whether it is signed.
function row(resource, signed, children) {
  const name = `${resource.code.coding[0].code} – ${resource.code.text}`;
  return element("li", { class: "order" }, element("h3", {}, name), signed, ...children);
}

const signing = (words) => element("p", { class: "signing", role: "status" }, words);

function failed(orders, { headline, message }) {
  at("state").textContent = `${headline} The orders are signed; the payer has said nothing of them.`;
  at("cards").replaceChildren();
  at("orders").replaceChildren(...orders.map((resource) => row(resource, signing("Signed."), [element("div", { class: "annotation unsure" },
    element("p", { class: "headline" }, element("span", { class: "said unsure" }, element("span", { "aria-hidden": "true" }, "–"), headline)),
    element("p", { class: "reason" }, message))])));
}

// Tells the payer why its warning was set aside.
async function tell(endpoint, of, reason, comment) {
  if (!of) return "Signed. The payer showed no card of this order, so that it cannot be told why.";
  const told = {
    card: of.uuid, outcome: "overridden", outcomeTimestamp: new Date().toISOString(),
    ...((reason || comment) && { overrideReason: { ...(reason && { reason }), ...(comment && { userComment: comment }) } }),
  };
  try {
    const reply = await call(`${endpoint}/feedback`, { feedback: [told] });
    return reply.ok ? "Signed, and the payer was told why." : `Signed. The payer did not take the reason (${reply.status}).`;
  } catch {
    return "Signed. The payer could not be told why.";
  }
}

async function markdown(text) {
  const reply = await call("/desk/markdown", { text });
  if (!reply.ok) throw new Error("not written");
  return reply.json.html;
}

// How many orders are signed, in words.
function state(all, open) {
  if (!open) return "The payer answered. The orders are signed.";
  const signed = all - open;
  const told = all === 1 ? "The order is not signed" : `${signed} of ${all} orders ${signed === 1 ? "is" : "are"} signed`;
  return `The payer answered. ${told}. Sign all the same, with a reason, or change the order.`;
}

// What the payer says of each order, and how those that it warns of can be signed all the same.
function show(orders, response, { insurer, coverages, endpoint }) {
  const said = annotations(response);
  const cards = sorted(response.cards);
  const reasons = cards.find((it) => it.overrideReasons?.length)?.overrideReasons ?? [];
  const open = new Set();
  const rows = orders.map((resource) => {
    const of = `ServiceRequest/${resource.id}`;
    const [answers, own] = [said.get(of) ?? [], cards.filter((it) => about(it).includes(of))];
    const needed = asks(own, answers);
    if (needed) open.add(of);
    const signed = signing(needed ? "Not signed yet." : "Signed.");
    // The order of which there is no card, as past the most that were wanted, can be signed all the same, too.
    const warning = own.find((it) => it.overrideReasons?.length);
    const sign = (reason, comment) => {
      open.delete(of);
      signed.textContent = "Signed.";
      at("state").textContent = open.size ? state(orders.length, open.size) : "The orders are signed.";
      line.querySelectorAll("form.anyway button").forEach((button) => { button.disabled = true; });
      return tell(endpoint, warning ?? own.find((it) => it.uuid), reason, comment);
    };
    const decision = needed && { reasons: warning?.overrideReasons ?? reasons, sign };
    const named = { id: resource.id, text: resource.code.text };
    const notes = answers.map((it) => annotation(named, it, own, { insurer, coverages }, decision));
    const line = row(resource, signed, notes.length ? notes : [element("p", { class: "muted" }, "No coverage information came back for this order.")]);
    return line;
  });
  at("state").textContent = state(orders.length, open.size);
  at("orders").replaceChildren(...rows);
  // Where authorization stands, a card that only says what its request must show is out of the way.
  const over = (it) => it.indicator === "info" && about(it).length && about(it).every((of) => said.get(of)?.length && said.get(of).every(isSatisfied));
  const [kept, past] = [cards.filter((it) => !over(it)), cards.filter(over)];
  at("cards").replaceChildren(
    ...(kept.length ? [element("h2", {}, "Cards"), ...kept.map((it) => card(it, markdown))] : []),
    ...(past.length ? [folded("Cards of orders whose authorization stands", past.map((it) => card(it, markdown)))] : []));
}

// What the ledger has of how the answer was decided.
async function why({ id }) {
  at("trace").replaceChildren(element("p", { class: "muted" }, "Asking …"));
  try {
    const reply = await call(`/desk/why/${encodeURIComponent(id)}`);
    if (!reply.ok) throw refused(reply);
    const { orders, refused: told } = reply.json;
    const nothing = told ? `Nothing was decided: ${told}` : "Nothing was decided.";
    at("trace").replaceChildren(element("p", { class: "muted" }, `As it is recorded of request ${id}.`),
      ...(orders.length ? trace(orders) : [element("p", {}, nothing)]));
  } catch (error) {
    at("trace").replaceChildren(element("p", {}, `The record could not be read. ${explained(error).message}`));
  }
}

// Asks the payer about these orders, and shows what it says.
async function ask(orders, picked, asked) {
  const service = await serviceOf(picked.server);
  const endpoint = `${picked.server}/cds-services/${service.id}`;
  asked.sent = request(service, orders, picked, choices.insurer, { version: picked.version, options: options(service) });
  asked.reply = await call(endpoint, asked.sent);
  if (asked.turn !== running) return;
  const { ok, json } = asked.reply;
  if (!ok) throw refused(asked.reply);
  if (!isAnswer(json)) throw unreadable("a CDS Hooks response");
  const insurer = picked.server ? (json.cards[0]?.source?.label ?? picked.server) : choices.insurer.short;
  try {
    show(orders, json, { insurer, coverages: coverages(asked.sent), endpoint });
  } catch {
    throw unreadable("a CDS Hooks response");
  }
}

async function sign(event) {
  event.preventDefault();
  supersede();
  const asked = { turn: ++running };
  const picked = chosen();
  // All are for one patient, or the basket was emptied.
  const orders = basket.concat([picked]).map((it, index) => order(`desk-order-${index + 1}`, it, today()));
  at("chart").setAttribute("aria-busy", "true");
  at("state").textContent = "Asking the payer …";
  at("orders").replaceChildren(...orders.map((resource) => row(resource, "", [element("p", { class: "waiting" }, "Waiting for the payer")])));
  const began = performance.now();
  try {
    await ask(orders, picked, asked);
  } catch (error) {
    if (asked.turn === running) failed(orders, explained(error));
  }
  if (asked.turn !== running) return;
  const { sent, reply } = asked;
  // What was decided elsewhere is recorded elsewhere.
  answered = { id: picked.server ? undefined : reply?.id };
  at("chart").removeAttribute("aria-busy");
  at("exchange").hidden = !sent;
  at("timing").textContent = `${reply ? `Status ${reply.status} after` : "Given up after"} ${Math.round(performance.now() - began)} ms${reply?.id ? `, request ${reply.id}` : ""}`;
  at("request").textContent = JSON.stringify(sent, null, 2) ?? "";
  at("response").textContent = reply?.json ? JSON.stringify(reply.json, null, 2) : "None.";
  at("trace-folded").hidden = !answered.id;
  at("trace-folded").open = false;
}

// Orders are for the patient for whom they were written: none of them becomes another's.
function empty() {
  if (!basket.length) return;
  const gone = basket.length === 1 ? "The order that was added is" : `The ${basket.length} orders that were added are`;
  basket.length = 0;
  at("basket").replaceChildren();
  at("basket-note").textContent = `${gone} for another patient, so the list was emptied.`;
}

function add() {
  supersede();
  at("basket-note").textContent = "";
  const picked = chosen();
  basket.push(picked);
  const remove = () => { basket.splice(basket.indexOf(picked), 1); item.remove(); at("add").focus(); };
  const label = `${picked.service.label} – ${picked.place.name}`;
  const item = element("li", {}, label, " ",
    element("button", { type: "button", class: "plain small", "aria-label": `Take out ${label}`, on: { click: remove } }, "Take out"));
  at("basket").append(item);
}

at("entry").addEventListener("submit", sign);
at("entry").addEventListener("change", (event) => {
  supersede();
  if (event.target.name === "patient") empty();
  if (event.target.name === "server") showOptions();
});
at("add").addEventListener("click", add);
at("trace-folded").addEventListener("toggle", () => { if (at("trace-folded").open && answered?.id) why(answered); });
await showOptions();
document.documentElement.dataset.ready = "true";

// The order desk: a CDS Hooks client. It never keeps an order from being signed, whatever the payer says or fails to say.

import { about, annotations, sorted } from "./answer.js";
import { HOOK, order, request } from "./request.js";
import { annotation, card, element, trace } from "./show.js";

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

// The service of a server that answers when orders are signed.
async function serviceOf(server) {
  if (!services.has(server)) {
    const reply = await call(`${server}/cds-services`);
    const found = reply.json?.services?.find((it) => it.hook === HOOK);
    if (!found) throw new Error("This server has no service for signed orders.");
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

function row(resource, children) {
  const name = `${resource.code.coding[0].code} – ${resource.code.text}`;
  return element("li", { class: "order" }, element("h3", {}, name), ...children);
}

function failed(orders, headline, words) {
  at("state").textContent = `${headline} The orders are signed; the payer has said nothing of them.`;
  at("orders").replaceChildren(...orders.map((resource) => row(resource, [element("div", { class: "annotation unsure" },
    element("p", { class: "headline" }, element("span", { class: "said unsure" }, element("span", { "aria-hidden": "true" }, "–"), headline)),
    element("p", { class: "reason" }, words))])));
}

// Tells the payer why its warning was set aside.
const telling = (endpoint) => async (of, reason, comment) => {
  const told = {
    card: of.uuid, outcome: "overridden", outcomeTimestamp: new Date().toISOString(),
    overrideReason: { reason, ...(comment && { userComment: comment }) },
  };
  try {
    const reply = await call(`${endpoint}/feedback`, { feedback: [told] });
    return reply.ok ? "Signed, and the payer was told why." : `Signed. The payer did not take the reason (${reply.status}).`;
  } catch {
    return "Signed. The payer could not be told why.";
  } finally {
    at("state").textContent = "The orders are signed.";
  }
};

async function markdown(text) {
  const reply = await call("/desk/markdown", { text });
  if (!reply.ok) throw new Error("not written");
  return reply.json.html;
}

function show(orders, response, picked, endpoint) {
  const said = annotations(response);
  const cards = sorted(response.cards);
  const insurer = picked.server ? (cards[0]?.source?.label ?? picked.server) : choices.insurer.short;
  const send = telling(endpoint);
  const warned = cards.some((it) => it.indicator !== "info");
  at("state").textContent = warned
    ? "The payer answered. Sign all the same, with a reason, or change the order." : "The payer answered. The orders are signed.";
  at("orders").replaceChildren(...orders.map((resource) => {
    const own = said.get(`ServiceRequest/${resource.id}`) ?? [];
    const who = { insurer, plan: picked.plan.name };
    const named = { id: resource.id, text: resource.code.text };
    const notes = own.map((it) => annotation(named, it, cards, who, send));
    return row(resource, notes.length ? notes : [element("p", { class: "muted" }, "No coverage information came back for this order.")]);
  }));
  at("cards").replaceChildren(...(cards.length ? [element("h2", {}, "Cards"), ...cards.map((it) => card(it, markdown))] : []));
}

async function why(sent) {
  at("trace").replaceChildren(element("p", { class: "muted" }, "Asking …"));
  try {
    const reply = await call("/desk/trace", sent);
    at("trace").replaceChildren(...(reply.ok ? trace(reply.json) : [element("p", {}, reply.json?.issue?.[0]?.details?.text ?? "There is none.")]));
  } catch {
    at("trace").replaceChildren(element("p", {}, "It could not be had."));
  }
}

async function sign(event) {
  event.preventDefault();
  supersede();
  const turn = ++running;
  const picked = chosen();
  const drafts = basket.concat([picked]);
  // All are for one patient: the one who is there now.
  const orders = drafts.map((it, index) => order(`desk-order-${index + 1}`, { ...it, patient: picked.patient }, today()));
  at("chart").setAttribute("aria-busy", "true");
  at("state").textContent = "Asking the payer …";
  at("orders").replaceChildren(...orders.map((resource) => row(resource, [element("p", { class: "waiting" }, "Waiting for the payer")])));
  const began = performance.now();
  let sent, reply, failure;
  try {
    const service = await serviceOf(picked.server);
    const endpoint = `${picked.server}/cds-services/${service.id}`;
    sent = request(service, orders, picked, choices.insurer, { version: picked.version, options: options(service) });
    reply = await call(endpoint, sent);
    if (turn !== running) return;
    if (reply.ok && reply.json) show(orders, reply.json, picked, endpoint);
    else failed(orders, `No answer (${reply.status}).`, reply.json?.issue?.[0]?.details?.text ?? "The server gave no reason.");
  } catch (error) {
    if (turn !== running) return;
    failure = error.name === "TimeoutError" ? "No answer in time." : "No answer.";
    failed(orders, failure, error.name === "TimeoutError"
      ? `The payer was given ${PATIENCE / 1000} seconds.` : (sent ? "The server cannot be reached, or does not let this page call it." : error.message));
  }
  answered = { sent };
  at("chart").removeAttribute("aria-busy");
  at("exchange").hidden = !sent;
  at("timing").textContent = `${reply ? `Status ${reply.status} after` : "Given up after"} ${Math.round(performance.now() - began)} ms${reply?.id ? `, request ${reply.id}` : ""}`;
  at("request").textContent = JSON.stringify(sent, null, 2) ?? "";
  at("response").textContent = reply?.json ? JSON.stringify(reply.json, null, 2) : "None.";
  at("trace-folded").hidden = Boolean(picked.server);
  at("trace-folded").open = false;
}

function add() {
  supersede();
  const picked = chosen();
  basket.push(picked);
  const remove = () => { basket.splice(basket.indexOf(picked), 1); item.remove(); at("add").focus(); };
  const label = `${picked.service.label} – ${picked.place.name}`;
  const item = element("li", {}, label, " ",
    element("button", { type: "button", class: "plain small", "aria-label": `Take out ${label}`, on: { click: remove } }, "Take out"));
  at("basket").append(item);
}

at("entry").addEventListener("submit", sign);
at("entry").addEventListener("change", (event) => { supersede(); if (event.target.name === "server") showOptions(); });
at("add").addEventListener("click", add);
at("trace-folded").addEventListener("toggle", () => { if (at("trace-folded").open && answered?.sent) why(answered.sent); });
await showOptions();
document.documentElement.dataset.ready = "true";

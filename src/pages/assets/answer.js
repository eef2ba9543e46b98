// What a response says, as plain objects. Nothing here touches the page.

const COVERAGE_INFORMATION = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";

const value = (part) => Object.entries(part).find(([key]) => key.startsWith("value"))?.[1];
const text = (concept) => concept?.text ?? concept?.coding?.[0]?.display ?? concept?.coding?.[0]?.code ?? "";

// One repetition of the extension.
function repetition({ extension: parts }) {
  const all = (url) => parts.filter((part) => part.url === url).map(value);
  const one = (url) => all(url)[0];
  const details = parts.filter((part) => part.url === "detail").map(({ extension }) => {
    const inside = (url) => extension.find((part) => part.url === url);
    return { code: text(value(inside("code") ?? {})), value: value(inside("value") ?? {}), when: value(inside("qualification") ?? {}) };
  });
  const policy = details.find((it) => /^policy[- ]link$/i.test(it.code))?.value;
  return {
    coverage: one("coverage")?.reference, policy,
    covered: one("covered"), authorization: one("pa-needed"), documents: all("doc-needed"), purposes: all("doc-purpose"),
    needs: all("info-needed"), reasons: all("reason").map(text), details, billing: one("billingCode")?.code,
    questionnaires: all("questionnaire"), checked: one("date"), assertion: one("coverage-assertion-id"),
    satisfied: one("satisfied-pa-id"), expires: one("expiry-date"),
    contacts: all("contact").flatMap((contact) => contact.telecom ?? [contact]).map((it) => it.value).filter(Boolean),
  };
}

// Of each order that came back, what is said of its coverage.
export function annotations(response) {
  const updates = (response.systemActions ?? []).filter((action) => action.type === "update" && action.resource);
  return new Map(updates.map(({ resource }) => {
    const said = (resource.extension ?? []).filter((extension) => extension.url === COVERAGE_INFORMATION);
    return [`${resource.resourceType}/${resource.id}`, said.map(repetition)];
  }));
}

// Whether a response is one at all: what is built out of it rests on this.
export function isAnswer(response) {
  const lists = [response?.cards, response?.systemActions ?? []];
  return lists.every((list) => Array.isArray(list) && list.every((it) => it && typeof it === "object"));
}

// What an OperationOutcome says, each issue with the place that it names.
export function issues(outcome) {
  const said = Array.isArray(outcome?.issue) ? outcome.issue : [];
  const texts = said.map((issue) => {
    const words = issue?.details?.text ?? issue?.diagnostics ?? issue?.code;
    const place = issue?.expression?.[0];
    return words && (place ? `${words} (${place})` : words);
  });
  return texts.filter(Boolean);
}

// What comes first: warnings.
const RANK = ["critical", "warning", "info"];
export const sorted = (cards) => [...(cards ?? [])].sort((a, b) => RANK.indexOf(a.indicator) - RANK.indexOf(b.indicator));

// The orders that a card is about.
export function about(card) {
  const named = card.extension?.["davinci-crd.associated-resource"] ?? [];
  return [named].flat().map((it) => it.reference ?? it);
}

const AUTHORIZATION = {
  "auth-needed": "Authorization needed", performpa: "Performer must get authorization", "no-auth": "No authorization needed",
  conditional: "Authorization depends", satisfied: "Authorization satisfied", indeterminate: "Authorization not known",
};
const NEEDS = {
  performer: "who performs it", location: "where it is done", timeframe: "when it is done", "detail-code": "a more precise code",
  "contract-window": "the contract's period",
};
const DOCUMENTS = {
  clinical: "Clinical documents", admin: "Administrative documents", patient: "Documents from the patient", both: "Clinical and administrative documents",
  conditional: "Documents may be needed", indeterminate: "Documents: not known",
};

// In one word, with the mark and the colour that go with it; never a colour alone.
export function verdict(said) {
  const is = (name, mark, word) => ({ name, mark, word });
  if (said.covered === "not-covered") return is("not-covered", "✕", "Not covered");
  if (said.authorization === "satisfied") return is("covered", "✓", AUTHORIZATION.satisfied);
  if (said.covered === "indeterminate") return is("unsure", "–", "Could not be determined");
  if (said.covered === "conditional") return is("conditional", "?", "Depends");
  if (["auth-needed", "performpa"].includes(said.authorization)) return is("authorization", "!", AUTHORIZATION[said.authorization]);
  if (said.authorization === "conditional") return is("conditional", "?", AUTHORIZATION.conditional);
  return said.covered === "covered" ? is("covered", "✓", "Covered") : is("unsure", "–", "Nothing was said");
}

// Whether an order's authorization stands, so that nothing is asked for that a request for one would need.
export const isSatisfied = (said) => said.authorization === "satisfied" && said.covered !== "not-covered";

// Whether an order is not to be signed before a clinician has decided: a card warns of it, or it is not covered.
export const asks = (cards, said) =>
  cards.some((it) => it.indicator !== "info") || said.some((it) => verdict(it).name === "not-covered")
  || (!cards.length && said.some((it) => verdict(it).name === "authorization"));

// What is left of an answer once its authorization stands: documents for another purpose, and what coverage still depends on.
function left(said) {
  if (!isSatisfied(said)) return said;
  const others = said.purposes.some((purpose) => purpose !== "withpa");
  return {
    ...said, documents: others ? said.documents : [], questionnaires: others ? said.questionnaires : [],
    needs: said.covered === "conditional" ? said.needs : [],
  };
}

// What is to be known at a glance beside the verdict; only what is there, and not what the verdict says already.
export function chips(answer) {
  const said = left(answer);
  const word = verdict(said).word;
  const told = said.needs.filter((code) => code !== "OTH");
  const authorization = said.covered === "not-covered" ? undefined : AUTHORIZATION[said.authorization];
  return [
    said.billing && `Billed as ${said.billing}`,
    authorization !== word && authorization,
    said.satisfied && `Authorization ${said.satisfied}`,
    ...said.documents.map((code) => DOCUMENTS[code] ?? code),
    said.questionnaires.length && "A form to fill in",
    told.length && `Tell ${told.map((code) => NEEDS[code] ?? code).join(", ")}`,
    said.needs.includes("OTH") && "More information is needed",
    said.expires && `Good until ${said.expires}`,
  ].filter(Boolean);
}

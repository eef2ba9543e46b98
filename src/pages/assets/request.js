// A CDS Hooks request, as an EHR makes it: what the service asks for in its discovery entry is what it is sent.

const POS = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set";
const CODE = "http://terminology.hl7.org/CodeSystem/";
export const HOOK = "order-sign";

const bundle = (type, resources) => ({
  resourceType: "Bundle", type, entry: resources.map((resource) => ({ resource })),
});

// One order of the draft: what was chosen, as a ServiceRequest.
export function order(id, chosen, today) {
  const { patient, service, place, diagnosis } = chosen;
  const resource = {
    resourceType: "ServiceRequest", id, status: "draft", intent: "order",
    code: { coding: [{ system: service.system, code: service.code }], text: service.text || service.label },
    subject: { reference: `Patient/${patient.id}` },
    authoredOn: today,
    requester: { reference: "Practitioner/example-practitioner" },
  };
  if (place.code) resource.locationCode = [{ coding: [{ system: POS, code: place.code }], text: place.name }];
  if (diagnosis) {
    resource.reasonCode = diagnosis.codes.map(({ system, code, text }) => ({ coding: [{ system, code }], ...(text && { text }) }));
  }
  return resource;
}

// What the invented EHR holds of a patient.
function records({ patient, plan }, insurer) {
  return {
    Patient: {
      resourceType: "Patient", id: patient.id,
      identifier: [{ system: "https://ehr.example.org/mrn", value: patient.member.replace("MEMBER", "MRN") }],
      name: [{ family: patient.family, given: [patient.given] }],
      gender: patient.gender, birthDate: patient.birthDate,
    },
    Coverage: {
      resourceType: "Coverage", id: `${patient.id}-coverage`,
      contained: [{ resourceType: "Organization", id: "payer", identifier: insurer.identifiers, active: true, name: insurer.name }],
      status: "active", subscriberId: patient.member,
      beneficiary: { reference: `Patient/${patient.id}` },
      relationship: { coding: [{ system: `${CODE}subscriber-relationship`, code: "self" }] },
      period: { start: "2025-01-01" },
      payor: [{ reference: "#payer" }],
      class: [{ type: { coding: [{ system: `${CODE}coverage-class`, code: "plan" }] }, value: plan.code, name: plan.name }],
    },
  };
}

// The prefetch that a service asks for, each key filled from its template; what the EHR does not have is an empty search.
export function prefetch(service, chosen, insurer) {
  const held = records(chosen, insurer);
  const filled = Object.entries(service.prefetch ?? {}).map(([key, template]) => {
    const [, type, rest] = /^(\w+)(.*)$/s.exec(template) ?? [];
    if (rest?.startsWith("/")) return [key, held[type]];
    return [key, bundle("searchset", held[type] ? [held[type]] : [])];
  });
  return Object.fromEntries(filled.filter(([, value]) => value));
}

// The whole request. `asked` has the version and the configuration that were chosen.
export function request(service, orders, chosen, insurer, asked) {
  const configuration = Object.keys(asked.options).length ? { "davinci-crd.configuration": asked.options } : {};
  return {
    hook: HOOK,
    hookInstance: crypto.randomUUID(),
    context: {
      userId: "Practitioner/example-practitioner",
      patientId: chosen.patient.id,
      draftOrders: bundle("collection", orders),
    },
    prefetch: prefetch(service, chosen, insurer),
    extension: { "davinci-crd.requestedVersion": asked.version, ...configuration },
  };
}

// What each coverage of a request is called, by the reference that an answer names it by.
export function coverages(sent) {
  const bundles = Object.values(sent.prefetch).flatMap((held) => held.entry?.map((it) => it.resource) ?? [held]);
  const held = bundles.filter((it) => it.resourceType === "Coverage");
  return new Map(held.map((it) => [`Coverage/${it.id}`, it.class?.[0]?.name ?? `Coverage/${it.id}`]));
}

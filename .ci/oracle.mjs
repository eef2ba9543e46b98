// Judges every golden pair, the discovery document, and the answers to the standard's own example requests.
// usage: node oracle.mjs <oracle folder> <folder of the standard's data> <covenant binary>
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const [oracle, standard, binary] = process.argv.slice(2);
const { checkResponse, checkDiscovery } = await import(path.resolve(oracle, 'lib/response.mjs'));
const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
const versionOf = (request) => ((request.extension?.['davinci-crd.requestedVersion'] ?? '2.0') === '2.0' ? '2.0' : '2.2');
const VERSIONS = ['2.0', '2.2'];
let judged = 0, refused = 0, problems = 0;
function problem(text) {
  problems += 1;
  console.log(text);
}
// What an example brings about itself, and the clause by which the answer cannot mend it.
const BROUGHT = {
  'MedicationRequest-annotated-example': ['dom-3', 'CRD resp-37: the contained form was named only by the coverage information that ours replaces, and all else of an order stays'],
};
function judge(name, request, response, about = name) {
  judged += 1;
  const [brought] = BROUGHT[about] ?? [];
  const all = checkResponse(response, { request, crd: versionOf(request) }).problems.filter((p) => p.severity === 'error');
  for (const p of all.filter((p) => p.rule !== brought)) problem(`${name}: ${p.rule} ${p.path}: ${p.msg}`);
  if (brought && !all.some((p) => p.rule === brought)) problem(`${name}: ${brought} holds, and need not be excepted`);
}

for (const examples of ['cds-hooks/examples', 'tests/policies/examples']) {
  for (const file of fs.readdirSync(examples).filter((f) => f.endsWith('.request.json'))) {
    judge(file, read(path.join(examples, file)), read(path.join(examples, file.replace('.request.', '.response.'))));
  }
}

// The standard's own requests that are refused as they stand, and the clause that forbids an answer. `decide` asks nobody,
// so each is also sent as an EHR would complete it: with the prefetch of the first one, or with the orders that it names.
const NO_COVERAGE = 'CDS Hooks "Prefetch", CRD found-32: no Coverage is sent, and nobody can be asked for it';
const REFUSED = {
  'CRDServiceRequest2.json': ['412 incomplete', 'CDS Hooks "Prefetch": the orders are not sent, and nobody can be asked for them'],
  'CRDServiceRequest3.json': ['412 incomplete', NO_COVERAGE],
  'CRDServiceRequest4.json': ['412 incomplete', NO_COVERAGE],
};

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'covenant-'));
function asked(name, request, [status, clause] = []) {
  for (const version of VERSIONS) {
    const sent = structuredClone(request);
    sent.extension = { ...sent.extension, 'davinci-crd.requestedVersion': version };
    const file = path.join(work, 'request.json');
    fs.writeFileSync(file, JSON.stringify(sent));
    const ran = spawnSync(binary, ['decide', file], { encoding: 'utf8' });
    if (status) {
      refused += 1;
      const said = ran.stderr.replace(/^covenant: /, '').trim();
      if (ran.status === 0 || !said.startsWith(status)) problem(`${name} as ${version}: not ${status} (${clause}), but ${said || 200}`);
    } else if (ran.status !== 0) {
      problem(`${name} as ${version}: ${ran.stderr.trim()}`);
    } else {
      judge(`${name} as ${version}`, sent, JSON.parse(ran.stdout), name);
    }
  }
}

// CRD 2.2: whole requests.
const requests = path.join(standard, '2.2.1/examples');
const first = read(path.join(requests, 'CRDServiceRequest.json')).prefetch;
const resources = (name) => read(path.join(standard, '2.0.1/examples', `${name}-example.json`));
for (const file of fs.readdirSync(requests).filter((f) => f.startsWith('CRDServiceRequest'))) {
  const request = read(path.join(requests, file));
  asked(file, request, REFUSED[file]);
  if (!REFUSED[file]) continue;
  const named = (request.context.dispatchedOrders ?? []).map((reference) => reference.split('/')[1]);
  const order = (id) => ({ resource: { ...resources('MedicationRequest'), id, subject: { reference: 'Patient/123' } } });
  const orders = named.length ? { orders: { resourceType: 'Bundle', type: 'searchset', entry: named.map(order) } } : {};
  asked(`${file}, completed`, { ...request, prefetch: { ...first, ...request.prefetch, ...orders } });
}

// CRD 2.0: resources, each put where its hook has it. Their Coverage names a payer that is not sent, so it may be ours.
const patient = resources('Patient').id;
const prefetch = { patient: resources('Patient'), coverage: resources('Coverage') };
for (const name of ['Encounter', 'Practitioner', 'Organization', 'Location', 'Device']) prefetch[name] = resources(name);
const call = (hook, context, more = prefetch) => ({
  hook, hookInstance: '6d4b0c5e-7b6f-4f6e-9d6c-0d3f1b1a2c3d', fhirServer: 'http://example.org/fhir', prefetch: more,
  context: { userId: 'Practitioner/example', patientId: patient, ...context },
});
const bundle = (...all) => ({ resourceType: 'Bundle', entry: all.map((resource) => ({ resource })) });
const ORDERS = ['CommunicationRequest', 'DeviceRequest', 'MedicationRequest', 'NutritionOrder', 'ServiceRequest'];
for (const name of ORDERS) asked(`${name}-example`, call('order-sign', { draftOrders: bundle(resources(name)) }));
const vision = read(path.join(standard, '2.0.1/examples/VisionPrescription-visionprescription-example.json'));
asked('VisionPrescription-example', call('order-sign', { draftOrders: bundle(vision) }));
asked('all orders at once', call('order-sign', { draftOrders: bundle(...ORDERS.map(resources), vision) }));
// It is for another patient than the example Patient, who takes her id here.
const annotated = read(path.join(standard, '2.0.1/examples/MedicationRequest-annotated-example.json'));
const other = { patient: { ...prefetch.patient, id: '123' }, coverage: { ...prefetch.coverage, beneficiary: { reference: 'Patient/123' } } };
asked('MedicationRequest-annotated-example', call('order-sign', { patientId: '123', draftOrders: bundle(annotated) }, other));
asked('MedicationRequest-annotated-example for another patient', call('order-sign', { draftOrders: bundle(annotated) }),
  ['422 invariant', 'CDS Hooks order-sign: the draft orders are those of the patient of the context']);
const appointment = { appointments: bundle(resources('Appointment')) };
asked('Appointment-example', call('appointment-book', appointment, { ...prefetch, order: resources('ServiceRequest') }));
for (const hook of ['encounter-start', 'encounter-discharge']) asked(`Encounter-example in ${hook}`, call(hook, { encounterId: 'example' }));
fs.rmSync(work, { recursive: true });

const discovery = { services: fs.readdirSync('cds-hooks/services').map((f) => read(path.join('cds-hooks/services', f))) };
for (const p of checkDiscovery(discovery).problems.filter((p) => p.severity === 'error')) problem(`discovery: ${p.rule} ${p.path}: ${p.msg}`);
console.log(`${judged} answers judged, ${refused} refused as a clause says, ${problems} problems`);
process.exit(problems ? 1 : 0);

// Judges every golden pair, the discovery document, and the answers to the standard's own example requests.
// usage: node oracle.mjs <oracle folder> <folder of the standard's data> <covenant binary>
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const [oracle, standard, binary] = process.argv.slice(2);
const { checkResponse, checkDiscovery } = await import(path.resolve(oracle, 'lib/response.mjs'));
const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
const versionOf = (request) => ((request.extension?.['davinci-crd.requestedVersion'] ?? '2.0') === '2.0' ? '2.0' : '2.2');
let judged = 0, problems = 0;
function judge(name, request, response) {
  judged += 1;
  for (const p of checkResponse(response, { request, crd: versionOf(request) }).problems.filter((p) => p.severity === 'error')) {
    problems += 1;
    console.log(`${name}: ${p.rule} ${p.path}: ${p.msg}`);
  }
}

for (const examples of ['cds-hooks/examples', 'tests/policies/examples']) {
  for (const file of fs.readdirSync(examples).filter((f) => f.endsWith('.request.json'))) {
    judge(file, read(path.join(examples, file)), read(path.join(examples, file.replace('.request.', '.response.'))));
  }
}

// The standard's own requests, in both versions. The one with a prefetched Coverage reaches order-sign.
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'covenant-'));
for (const version of ['2.0', '2.2']) {
  const request = read(path.join(standard, '2.2.1/examples/CRDServiceRequest.json'));
  request.extension['davinci-crd.requestedVersion'] = version;
  const file = path.join(work, `standard-${version}.json`);
  fs.writeFileSync(file, JSON.stringify(request));
  judge(`the standard's CRDServiceRequest as ${version}`, request, JSON.parse(execFileSync(binary, ['decide', file], { encoding: 'utf8' })));
}
fs.rmSync(work, { recursive: true });

const discovery = { services: fs.readdirSync('cds-hooks/services').map((f) => read(path.join('cds-hooks/services', f))) };
for (const p of checkDiscovery(discovery).problems.filter((p) => p.severity === 'error')) {
  problems += 1;
  console.log(`discovery: ${p.rule} ${p.path}: ${p.msg}`);
}
console.log(`${judged} answers judged, ${problems} problems`);
process.exit(problems ? 1 : 0);

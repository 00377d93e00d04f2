/* Compares the server view with the official descriptors of the npm package @temporalio/proto, and proves
 * that no message of the view contains itself.
 *
 *   node compare.js DESCRIPTOR_SET [--client]
 *
 * Exit: 0 equal, 1 differences (one line each), 77 when the package is not installed (meson: skipped).
 *
 * What must be equal: names and numbers of fields, enum values and methods; types, labels, oneofs. What may
 * differ: the server view may leave fields and messages out, and may declare a message as bytes. The client
 * view (--client) may contain itself, but what a client reads is complete and fully typed. */
'use strict';
const fs = require('fs');

let official;
try {
  official = require('@temporalio/proto/protos/json-module.js');
} catch (e) {
  if (e.code !== 'MODULE_NOT_FOUND') throw e;
  console.log('skipped: @temporalio/proto is not installed (npm ci in tests/proto)');
  process.exit(77);
}

/* Not part of the package: the standard reflection service, and the files with our generator's options. */
const NOT_OFFICIAL_PACKAGES = ['grpc.reflection.v1'];
const TOOL_FILES = ['protobuf-c/protobuf-c.proto', 'google/protobuf/descriptor.proto'];

const SCALARS = {
  1: 'double', 2: 'float', 3: 'int64', 4: 'uint64', 5: 'int32', 6: 'fixed64', 7: 'fixed32', 8: 'bool',
  9: 'string', 12: 'bytes', 13: 'uint32', 15: 'sfixed32', 16: 'sfixed64', 17: 'sint32', 18: 'sint64',
};
const TYPE_GROUP = 10, TYPE_MESSAGE = 11, TYPE_ENUM = 14;
const LABEL_REQUIRED = 2, LABEL_REPEATED = 3;

const camel = (name) => name.replace(/_([a-z])/g, (_, c) => c.toUpperCase());

/* full name -> {kind, json} of everything official */
function indexOfficial(json) {
  const index = new Map();
  const walk = (scope, node) => {
    for (const [name, item] of Object.entries(node.nested || {})) {
      const full = scope ? `${scope}.${name}` : name;
      const kind = item.fields ? 'message' : item.values ? 'enum' : item.methods ? 'service' : 'package';
      index.set(full, { kind, json: item });
      walk(full, item);
    }
  };
  walk('', json);
  return index;
}

/* A type name as it is written in scope, innermost first. */
function resolve(index, scope, name) {
  for (let parts = scope.split('.'); ; parts.pop()) {
    const full = [...parts, name].join('.');
    const found = index.get(full);
    if (found && (found.kind === 'message' || found.kind === 'enum')) return { full, kind: found.kind };
    if (!parts.length) return null;
  }
}

/* full name -> message, enum and service descriptors of the view, map entries included */
function indexView(set) {
  const messages = new Map(), enums = new Map(), services = new Map();
  const walk = (scope, list) => {
    for (const message of list) {
      const full = `${scope}.${message.name}`;
      messages.set(full, message);
      walk(full, message.nestedType);
      for (const e of message.enumType) enums.set(`${full}.${e.name}`, e);
    }
  };
  for (const file of set.file) {
    if (TOOL_FILES.includes(file.name)) continue;
    walk(file.package, file.messageType);
    for (const e of file.enumType) enums.set(`${file.package}.${e.name}`, e);
    for (const s of file.service) services.set(`${file.package}.${s.name}`, s);
  }
  return { messages, enums, services };
}

const unexempted = (full) => !NOT_OFFICIAL_PACKAGES.some((p) => full.startsWith(p + '.'));
const typeName = (field) => SCALARS[field.type] || (field.typeName || '').replace(/^\./, '');

/* The official type may be a message where the view says bytes. */
function sameType(index, scope, officialType, field) {
  if (field.type === TYPE_GROUP) return false;
  const target = Object.values(SCALARS).includes(officialType) ? null : resolve(index, scope, officialType);
  if (!target) return typeName(field) === officialType;
  if (target.kind === 'message' && SCALARS[field.type] === 'bytes') return true;
  return field.type === (target.kind === 'enum' ? TYPE_ENUM : TYPE_MESSAGE) && typeName(field) === target.full;
}

function compareField(index, view, full, message, field, facts) {
  const problems = [];
  const want = Object.entries(facts.fields).find(([name, f]) => (f.protoName || name) === field.name);
  if (!want) return [`${full}.${field.name}: no such field`];
  const [wantName, f] = want;
  if (f.id !== field.number) problems.push(`number ${field.number}, official ${f.id}`);
  const entry = field.type === TYPE_MESSAGE ? view.messages.get(typeName(field)) : null;
  if (entry && entry.options && entry.options.mapEntry) {
    const part = (number) => entry.field.find((x) => x.number === number);
    if (!f.keyType) problems.push('a map, officially none');
    else if (typeName(part(1)) !== f.keyType) problems.push(`map key is not ${f.keyType}`);
    else if (!sameType(index, full, f.type, part(2))) problems.push(`map value is not ${f.type}`);
  } else {
    if (f.keyType) problems.push('officially a map');
    else if (!sameType(index, full, f.type, field)) problems.push(`type ${typeName(field)}, official ${f.type}`);
    const repeated = field.label === LABEL_REPEATED;
    if (repeated !== (f.rule === 'repeated')) problems.push(`label, official ${f.rule || 'single'}`);
    if (field.label === LABEL_REQUIRED) problems.push('required');
    if (field.options && field.options.packed === false) problems.push('not packed');
  }
  const optional = Boolean((f.options || {}).proto3_optional);
  if (Boolean(field.proto3Optional) !== optional) problems.push('explicit presence differs');
  const inOneof = Object.prototype.hasOwnProperty.call(field, 'oneofIndex') && !field.proto3Optional;
  const ours = inOneof ? camel(message.oneofDecl[field.oneofIndex].name) : null;
  const theirs = Object.entries(facts.oneofs || {})
    .filter(([name, o]) => !name.startsWith('_') && o.oneof.includes(wantName)).map(([name]) => camel(name))[0] || null;
  if (ours !== theirs) problems.push(`oneof ${ours}, official ${theirs}`);
  return problems.map((p) => `${full}.${field.name}: ${p}`);
}

/* What clients read: histories, and every answer except those to workers. */
function clientMessages(view) {
  const found = new Set(), todo = ['temporal.api.history.v1.History'];
  for (const service of view.services.values()) {
    for (const m of service.method) if (!/TaskQueue$|^Respond|^Record|Worker$/.test(m.name)) todo.push(m.outputType.slice(1));
  }
  while (todo.length) {
    const full = todo.pop();
    if (found.has(full) || !view.messages.has(full)) continue;
    found.add(full);
    for (const field of view.messages.get(full).field) if (field.type === TYPE_MESSAGE) todo.push(typeName(field));
  }
  return found;
}

/* No field is missing, and none is left as bytes. */
function incomplete(index, view) {
  const problems = [];
  for (const full of clientMessages(view)) {
    const facts = index.get(full);
    if (!facts || !facts.json.fields) continue; /* a map's entry */
    const message = view.messages.get(full);
    for (const [name, f] of Object.entries(facts.json.fields)) {
      const field = message.field.find((x) => x.number === f.id);
      const entry = field && field.type === TYPE_MESSAGE ? view.messages.get(typeName(field)) : null;
      const value = entry && entry.options && entry.options.mapEntry ? entry.field.find((x) => x.number === 2) : field;
      const target = Object.values(SCALARS).includes(f.type) ? null : resolve(index, full, f.type);
      if (!field) problems.push(`${full}.${name}: missing in the client view`);
      else if (target && SCALARS[value.type] === 'bytes') problems.push(`${full}.${name}: bytes, officially ${f.type}`);
    }
  }
  return problems;
}

function compare(index, set, forClient) {
  const view = indexView(set);
  const problems = [];
  let fields = 0, values = 0;
  for (const [full, message] of view.messages) {
    if (!unexempted(full) || (message.options && message.options.mapEntry)) continue;
    const facts = index.get(full);
    if (!facts || facts.kind !== 'message') {
      problems.push(`${full}: no such message`);
      continue;
    }
    for (const field of message.field) {
      fields++;
      problems.push(...compareField(index, view, full, message, field, facts.json));
    }
  }
  for (const [full, e] of view.enums) {
    if (!unexempted(full)) continue;
    const facts = index.get(full);
    if (!facts || facts.kind !== 'enum') {
      problems.push(`${full}: no such enum`);
      continue;
    }
    const theirs = facts.json.values;
    for (const v of e.value) {
      values++;
      if (theirs[v.name] !== v.number) problems.push(`${full}.${v.name}: ${v.number}, official ${theirs[v.name]}`);
    }
    for (const name of Object.keys(theirs)) {
      if (!e.value.some((v) => v.name === name)) problems.push(`${full}.${name}: missing`);
    }
  }
  problems.push(...compareServices(index, view), ...(forClient ? incomplete(index, view) : cycles(view)));
  return { problems, fields, values, messages: view.messages.size, enums: view.enums.size };
}

function compareServices(index, view) {
  const problems = [];
  for (const [full, service] of view.services) {
    if (!unexempted(full)) continue;
    const facts = index.get(full);
    for (const method of service.method) {
      const m = facts && facts.kind === 'service' && facts.json.methods[method.name];
      const typesEqual = m && [[m.requestType, method.inputType], [m.responseType, method.outputType]].every(
        ([theirs, ours]) => resolve(index, full, theirs).full === ours.slice(1));
      const streamsEqual = m && Boolean(m.requestStream) === Boolean(method.clientStreaming) &&
        Boolean(m.responseStream) === Boolean(method.serverStreaming);
      if (!typesEqual || !streamsEqual) problems.push(`${full}.${method.name}: differs`);
    }
  }
  return problems;
}

/* Depth-first over "contains": a message met again on the way down contains itself. */
function cycles(view) {
  const problems = [], done = new Set(), path = [];
  const visit = (full) => {
    if (path.includes(full)) {
      problems.push(`recursive: ${[...path.slice(path.indexOf(full)), full].join(' > ')}`);
      return;
    }
    if (done.has(full)) return;
    path.push(full);
    const message = view.messages.get(full);
    if (!message) problems.push(`${full}: contained but not declared`);
    for (const field of message ? message.field : []) {
      if (field.type === TYPE_MESSAGE || field.type === TYPE_GROUP) visit(typeName(field));
    }
    path.pop();
    done.add(full);
  };
  for (const full of view.messages.keys()) visit(full);
  return problems;
}

/* The comparison must be able to fail: each damage to the view has to be found. */
function damages(forClient) {
  const find = (set, pick) => {
    for (const file of set.file) for (const m of file.messageType) if (m.name === pick) return m;
    throw new Error(pick);
  };
  const field = (set, message, name) => find(set, message).field.find((f) => f.name === name);
  const start = 'StartWorkflowExecutionRequest';
  const clientOnly = {
    'a missing field': (s) => { find(s, 'WorkflowExecutionStartedEventAttributes').field.pop(); },
    'a message left as bytes': (s) => { field(s, 'WorkflowExecutionCompletedEventAttributes', 'result').type = 12; },
    'a map of bytes': (s) => { find(s, 'Memo').nestedType[0].field[1].type = 12; },
  };
  const serverOnly = {
    'a recursive message': (s) => {
      const cause = field(s, 'Failure', 'cause');
      cause.type = TYPE_MESSAGE;
      cause.typeName = '.temporal.api.failure.v1.Failure';
    },
  };
  return {
    ...(forClient ? clientOnly : serverOnly),
    'another number': (s) => { field(s, start, 'workflow_id').number = 99; },
    'another name': (s) => { field(s, start, 'workflow_id').name = 'workflow_ident'; },
    'another scalar': (s) => { field(s, start, 'workflow_id').type = 5; },
    'text as bytes': (s) => { field(s, start, 'workflow_id').type = 12; },
    'bytes as text': (s) => { field(s, start, 'input').type = 9; },
    'another message': (s) => { field(s, start, 'task_queue').typeName = '.temporal.api.common.v1.WorkflowType'; },
    'an enum as number': (s) => { field(s, start, 'workflow_id_reuse_policy').type = 5; },
    'single as repeated': (s) => { field(s, start, 'workflow_id').label = 3; },
    'repeated as single': (s) => { field(s, 'RetryPolicy', 'non_retryable_error_types').label = 1; },
    'explicit presence': (s) => { field(s, start, 'workflow_id').proto3Optional = true; },
    'out of its oneof': (s) => { delete field(s, 'Failure', 'server_failure_info').oneofIndex; },
    'another oneof': (s) => { find(s, 'Failure').oneofDecl[0].name = 'what'; },
    'another map value': (s) => { find(s, 'SearchAttributes').nestedType[0].field[1].type = 9; },
    'another map key': (s) => { find(s, 'SearchAttributes').nestedType[0].field[0].type = 5; },
    'no longer a map': (s) => { find(s, 'SearchAttributes').nestedType[0].options.mapEntry = false; },
    'unknown message': (s) => { find(s, 'RetryPolicy').name = 'RetryPolicies'; },
    'another enum value': (s) => { s.file.find((f) => f.enumType.length).enumType[0].value[1].number = 77; },
    'a missing enum value': (s) => { s.file.find((f) => f.enumType.length).enumType[0].value.pop(); },
    'another method': (s) => { s.file.find((f) => f.service.length).service[0].method[0].name = 'Begin'; },
  };
}

function main(path, forClient) {
  const bytes = fs.readFileSync(path);
  const root = official.toJSON ? official : require('protobufjs/light').Root.fromJSON(official);
  const index = indexOfficial(root.toJSON());
  const FileDescriptorSet = root.lookupType('google.protobuf.FileDescriptorSet');
  /* Plain objects: fields that are not set are not there. */
  const decode = () => FileDescriptorSet.toObject(FileDescriptorSet.decode(bytes), { arrays: true });
  const result = compare(index, decode(), forClient);
  for (const p of result.problems) console.log(p);
  let missed = 0;
  for (const [name, damage] of Object.entries(damages(forClient))) {
    const set = decode();
    damage(set);
    if (compare(index, set, forClient).problems.length <= result.problems.length) {
      console.log(`not found by the comparison: ${name}`);
      missed++;
    }
  }
  console.log(`${result.messages} messages, ${result.fields} fields, ${result.enums} enums, ${result.values} values ` +
    `compared, ${result.problems.length} problems; ${Object.keys(damages(forClient)).length - missed} of ` +
    `${Object.keys(damages(forClient)).length} damages found`);
  process.exit(result.problems.length || missed ? 1 : 0);
}

main(process.argv[2], process.argv[3] === '--client');

/* Namespaces and search attributes, as an operator's program handles them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, isGrpcServiceError } from '@temporalio/client';
import proto from '@temporalio/proto';
import { connect, disconnect, eventually, namespace as usual, unique } from '../src/env.ts';

const { NamespaceState, IndexedValueType } = proto.temporal.api.enums.v1;
const INVALID_ARGUMENT = 3, NOT_FOUND = 5, ALREADY_EXISTS = 6;
const day = 24 * 3600;
const seconds = (duration: { seconds?: unknown } | null | undefined) => Number(duration?.seconds);
const retention = (days: number) => proto.google.protobuf.Duration.fromObject({ seconds: days * day });

describe('administration', { concurrency: 4, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const refused = (code: number, call: Promise<unknown>) =>
    assert.rejects(call, (err) => isGrpcServiceError(err) && err.code === code);
  const register = (namespace: string, more = {}) => client.connection.workflowService.registerNamespace({
    namespace, workflowExecutionRetentionPeriod: retention(1), ...more,
  });
  const describeNamespace = (namespace: string) => client.connection.workflowService.describeNamespace({ namespace });
  const remove = (namespace: string) => client.connection.operatorService.deleteNamespace({ namespace });

  test('namespace_register_describe_update: told as registered, then as updated, and in the list, and its name is taken', async () => {
    const service = client.connection.workflowService;
    const namespace = unique('registered');
    await refused(NOT_FOUND, describeNamespace(namespace));
    const given = { description: 'of the tests', ownerEmail: 'owner@example.com', data: { team: 'blue' } };
    await register(namespace, given);
    await refused(ALREADY_EXISTS, register(namespace, given));

    const { namespaceInfo: info, config } = await describeNamespace(namespace);
    assert.equal(info!.name, namespace);
    assert.deepEqual([info!.description, info!.ownerEmail], [given.description, given.ownerEmail]);
    assert.deepEqual({ ...info!.data }, given.data);
    assert.equal(info!.state, NamespaceState.NAMESPACE_STATE_REGISTERED);
    assert.equal(seconds(config!.workflowExecutionRetentionTtl), day);
    assert.equal((await service.describeNamespace({ id: info!.id })).namespaceInfo!.name, namespace);

    await service.updateNamespace({
      namespace, updateInfo: { description: 'changed' }, config: { workflowExecutionRetentionTtl: retention(3) },
    });
    const updated = await describeNamespace(namespace);
    assert.equal(updated.namespaceInfo!.description, 'changed');
    assert.equal(updated.namespaceInfo!.ownerEmail, given.ownerEmail);
    assert.equal(seconds(updated.config!.workflowExecutionRetentionTtl), 3 * day);

    const names = new Set<string>();
    let nextPageToken: Uint8Array | undefined;
    do {
      const page = await service.listNamespaces({ pageSize: 2, nextPageToken });
      for (const listed of page.namespaces) names.add(listed.namespaceInfo!.name!);
      nextPageToken = page.nextPageToken;
    } while (nextPageToken.length);
    assert(names.has(namespace) && names.has(usual), [...names].join());
    await remove(namespace);
  });

  test('namespace_delete: a deleted namespace is not found any more', async () => {
    const namespace = unique('deleted');
    await register(namespace);
    await remove(namespace);
    await eventually('the namespace is gone', async () => {
      try {
        await describeNamespace(namespace);
        return false;
      } catch (err) {
        assert(isGrpcServiceError(err) && err.code === NOT_FOUND, String(err));
        return true;
      }
    });
  });

  test("search_attribute_add_list_remove: listed with their types beside the system's, until they are removed", async () => {
    const operator = client.connection.operatorService;
    const namespace = unique('attributes');
    await register(namespace);
    const { INDEXED_VALUE_TYPE_KEYWORD: keyword, INDEXED_VALUE_TYPE_DOUBLE: double } = IndexedValueType;
    await operator.addSearchAttributes({ namespace, searchAttributes: { Colour: keyword, Weight: double } });
    const added = await operator.listSearchAttributes({ namespace });
    assert.equal(added.customAttributes.Colour, keyword);
    assert.equal(added.customAttributes.Weight, double);
    assert.equal(added.systemAttributes.WorkflowId, keyword);
    await operator.removeSearchAttributes({ namespace, searchAttributes: ['Colour'] });
    const left = await operator.listSearchAttributes({ namespace });
    assert(!('Colour' in left.customAttributes));
    assert.equal(left.customAttributes.Weight, double);
    await refused(INVALID_ARGUMENT, operator.removeSearchAttributes({ namespace, searchAttributes: ['WorkflowId'] }));
    await remove(namespace);
  });
});

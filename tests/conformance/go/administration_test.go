// Namespaces and search attributes, as an operator's program handles them.
package conformance

import (
	"errors"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

const day = 24 * time.Hour

func (p *place) namespaces() client.NamespaceClient {
	p.Helper()
	c, err := client.NewNamespaceClient(client.Options{HostPort: addresses()[0], Logger: quiet})
	p.must(err)
	p.Cleanup(c.Close)
	return c
}

func registration(name string) *workflowservice.RegisterNamespaceRequest {
	return &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(day)}
}

func (p *place) deleteNamespace(name string) {
	p.Helper()
	_, err := p.client.OperatorService().DeleteNamespace(p.ctx, &operatorservice.DeleteNamespaceRequest{Namespace: name})
	p.must(err)
}

func Test_namespace_register_describe_update(t *testing.T) {
	p := newPlace(t)
	namespaces, name := p.namespaces(), p.queue
	_, err := namespaces.Describe(p.ctx, name)
	failure[*serviceerror.NamespaceNotFound](p, err)
	given := registration(name)
	given.Description, given.OwnerEmail, given.Data = "of the tests", "owner@example.com", map[string]string{"team": "blue"}
	p.must(namespaces.Register(p.ctx, given))
	failure[*serviceerror.NamespaceAlreadyExists](p, namespaces.Register(p.ctx, given))

	described, err := namespaces.Describe(p.ctx, name)
	p.must(err)
	info := described.NamespaceInfo
	p.check(info.Name == name && info.Id != "" && info.State == enums.NAMESPACE_STATE_REGISTERED, "%v", info)
	p.check(info.Description == "of the tests" && info.OwnerEmail == "owner@example.com", "%v", info)
	p.check(len(info.Data) == 1 && info.Data["team"] == "blue", "%v", info)
	retention := described.Config.WorkflowExecutionRetentionTtl.AsDuration()
	p.check(retention == day, "kept for %v", retention)

	p.must(namespaces.Update(p.ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace:  name,
		UpdateInfo: &namespacepb.UpdateNamespaceInfo{Description: "changed"},
		Config:     &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(3 * day)},
	}))
	described, err = namespaces.Describe(p.ctx, name)
	p.must(err)
	info = described.NamespaceInfo
	p.check(info.Description == "changed" && info.OwnerEmail == "owner@example.com", "%v", info)
	retention = described.Config.WorkflowExecutionRetentionTtl.AsDuration()
	p.check(retention == 3*day, "kept for %v", retention)

	names := map[string]bool{}
	for token := []byte(nil); ; {
		page, err := p.client.WorkflowService().ListNamespaces(p.ctx,
			&workflowservice.ListNamespacesRequest{PageSize: 2, NextPageToken: token})
		p.must(err)
		for _, listed := range page.Namespaces {
			names[listed.NamespaceInfo.Name] = true
		}
		if token = page.NextPageToken; len(token) == 0 {
			break
		}
	}
	p.check(names[name] && names[namespace()], "%v", names)
	p.deleteNamespace(name)
}

func Test_namespace_delete(t *testing.T) {
	p := newPlace(t)
	namespaces, name := p.namespaces(), p.queue
	p.must(namespaces.Register(p.ctx, registration(name)))
	p.deleteNamespace(name)
	p.eventually("the namespace is gone", func() bool {
		_, err := namespaces.Describe(p.ctx, name)
		var gone *serviceerror.NamespaceNotFound
		p.check(err == nil || errors.As(err, &gone), "%v", err)
		return err != nil
	})
}

func Test_search_attribute_add_list_remove(t *testing.T) {
	p := newPlace(t)
	name, operator := p.queue, p.client.OperatorService()
	p.must(p.namespaces().Register(p.ctx, registration(name)))
	listed := func() *operatorservice.ListSearchAttributesResponse {
		found, err := operator.ListSearchAttributes(p.ctx, &operatorservice.ListSearchAttributesRequest{Namespace: name})
		p.must(err)
		return found
	}
	_, err := operator.AddSearchAttributes(p.ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: name,
		SearchAttributes: map[string]enums.IndexedValueType{
			"Colour": enums.INDEXED_VALUE_TYPE_KEYWORD, "Weight": enums.INDEXED_VALUE_TYPE_DOUBLE},
	})
	p.must(err)
	found := listed()
	p.check(found.CustomAttributes["Colour"] == enums.INDEXED_VALUE_TYPE_KEYWORD, "%v", found)
	p.check(found.CustomAttributes["Weight"] == enums.INDEXED_VALUE_TYPE_DOUBLE, "%v", found)
	p.check(found.SystemAttributes["WorkflowId"] == enums.INDEXED_VALUE_TYPE_KEYWORD, "%v", found)
	remove := func(attribute string) error {
		_, err := operator.RemoveSearchAttributes(p.ctx, &operatorservice.RemoveSearchAttributesRequest{
			Namespace: name, SearchAttributes: []string{attribute}})
		return err
	}
	p.must(remove("Colour"))
	found = listed()
	_, there := found.CustomAttributes["Colour"]
	p.check(!there && found.CustomAttributes["Weight"] == enums.INDEXED_VALUE_TYPE_DOUBLE, "%v", found)
	failure[*serviceerror.InvalidArgument](p, remove("WorkflowId"))
	p.deleteNamespace(name)
}

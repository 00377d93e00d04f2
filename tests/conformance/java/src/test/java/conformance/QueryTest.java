package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.enums.v1.QueryRejectCondition;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowQueryConditionallyRejectedException;
import io.temporal.client.WorkflowQueryException;
import io.temporal.client.WorkflowServiceException;
import io.temporal.client.WorkflowStub;
import io.temporal.serviceclient.RpcRetryOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Queries of open and closed workflows, and what a client is told when there is no answer. */
class QueryTest {
  private static WorkflowStub start(String queue) {
    var stub = CLIENT.newUntypedWorkflowStub("Collector", options(queue).build());
    stub.start();
    return stub;
  }

  @Test
  @DisplayName("query: sees the signals before it")
  void query() {
    String queue = unique("query");
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      start(queue);
      var stub = CLIENT.newWorkflowStub(Simple.Collector.class, queue);
      List<String> texts = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        texts.add("note " + i);
        stub.note("note " + i);
        assertEquals(texts, stub.notes());
      }
      var before = types(queue);
      assertEquals(texts, stub.notes());
      assertEquals(before, types(queue), "a query leaves no trace");
      stub.finish();
    }
  }

  @Test
  @DisplayName("query_closed: a closed workflow answers")
  void queryClosed() {
    String queue = unique("query-closed");
    var stub = start(queue);
    stub.signal("note", "last");
    stub.signal("finish");
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      stub.getResult(List.class);
      assertEquals(List.of("last"), stub.query("notes", List.class));
    }
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      assertEquals(List.of("last"), stub.query("notes", List.class), "by replay, on another worker");
    }
  }

  @Test
  @DisplayName("query_unknown: fails, and names the known ones")
  void queryUnknown() {
    String queue = unique("query-unknown");
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      var stub = start(queue);
      var err = assertThrows(WorkflowQueryException.class, () -> stub.query("nonsense", String.class));
      String text = String.valueOf(err.getCause());
      assertTrue(text.contains("nonsense") && text.contains("notes"), text);
      stub.terminate("test ends");
    }
  }

  @Test
  @DisplayName("query_rejected: a reject condition is reported with the status")
  void queryRejected() {
    String queue = unique("query-rejected");
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      start(queue);
      var client = WorkflowClient.newInstance(SERVICE,
          clientOptions().setQueryRejectCondition(QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN).build());
      var strict = client.newUntypedWorkflowStub(queue);
      assertEquals(List.of(), strict.query("notes", List.class));
      byId(queue).signal("finish");
      byId(queue).getResult(List.class);
      var err = assertThrows(WorkflowQueryConditionallyRejectedException.class, () -> strict.query("notes", List.class));
      assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED, err.getWorkflowExecutionStatus());
      assertEquals(List.of(), byId(queue).query("notes", List.class));
    }
  }

  @Test
  @DisplayName("query_stack_trace: __stack_trace answers")
  void queryStackTrace() {
    String queue = unique("query-stack");
    try (var worker = worker(queue, Simple.Sleeper.Impl.class)) {
      CLIENT.newUntypedWorkflowStub("Sleeper", options(queue).build()).start();
      String trace = byId(queue).query(WorkflowClient.QUERY_TYPE_STACK_TRACE, String.class);
      assertTrue(trace.contains("sleep"), trace);
      byId(queue).terminate("test ends");
    }
  }

  @Test
  @DisplayName("query_without_worker: the client is told")
  void queryWithoutWorker() {
    String queue = unique("query-nobody");
    start(queue);
    var retry = RpcRetryOptions.newBuilder().setExpiration(Duration.ofSeconds(3)).validateBuildWithDefaults();
    var service = connect(options -> options.setRpcQueryTimeout(Duration.ofSeconds(2)).setRpcRetryOptions(retry));
    try {
      var stub = newClient(service).newUntypedWorkflowStub(queue);
      var err = assertThrows(WorkflowServiceException.class, () -> stub.query("notes", List.class));
      var code = assertInstanceOf(StatusRuntimeException.class, err.getCause()).getStatus().getCode();
      assertTrue(code == Status.Code.FAILED_PRECONDITION || code == Status.Code.DEADLINE_EXCEEDED, "" + err.getCause());
    } finally {
      service.shutdownNow();
    }
    byId(queue).terminate("test ends");
  }
}

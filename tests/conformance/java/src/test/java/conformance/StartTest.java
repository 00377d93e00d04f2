package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.common.v1.Payload;
import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.api.enums.v1.WorkflowIdConflictPolicy;
import io.temporal.api.enums.v1.WorkflowIdReusePolicy;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowExecutionAlreadyStarted;
import io.temporal.client.WorkflowFailedException;
import io.temporal.client.WorkflowServiceException;
import io.temporal.client.WorkflowStub;
import io.temporal.common.Priority;
import io.temporal.common.RetryOptions;
import io.temporal.common.SearchAttributes;
import io.temporal.common.context.ContextPropagator;
import io.temporal.common.converter.DefaultDataConverter;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.TerminatedFailure;
import io.temporal.failure.TimeoutFailure;
import io.temporal.worker.WorkerOptions;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What a start can ask for, and what becomes of an id that is used again. */
class StartTest {
  @Test
  @DisplayName("start_hello: a workflow with one activity returns its result")
  void startHello() {
    String queue = unique("hello");
    try (var worker = worker(queue, Simple.Hello.Impl.class)) {
      assertEquals("Hello, Perdure!", newStub(Simple.Hello.class, queue).hello("Perdure"));
    }
  }

  private static WorkflowExecution startSleeper(String queue, WorkflowIdConflictPolicy policy) {
    var options = options(queue).setWorkflowIdConflictPolicy(policy).build();
    return CLIENT.newUntypedWorkflowStub("Sleeper", options).start();
  }

  private static WorkflowExecution startSleeper(String queue) {
    return startSleeper(queue, WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED);
  }

  @Test
  @DisplayName("start_returns_run_id: the run id that describe tells")
  void startReturnsRunId() {
    String id = unique("run-id");
    var execution = startSleeper(id);
    assertEquals(36, execution.getRunId().length());
    assertEquals(execution, byId(id).describe().getExecution());
    byId(id).terminate("test ends");
  }

  @Test
  @DisplayName("start_id_in_use_is_refused: as already started, with the run id")
  void startIdInUseIsRefused() {
    String id = unique("in-use");
    var execution = startSleeper(id);
    var err = assertThrows(WorkflowExecutionAlreadyStarted.class, () -> startSleeper(id));
    assertEquals(execution, err.getExecution());
    byId(id).terminate("test ends");
  }

  @Test
  @DisplayName("start_conflict_use_existing: the second start gets the open run")
  void startConflictUseExisting() {
    String id = unique("use-existing");
    var execution = startSleeper(id);
    assertEquals(execution, startSleeper(id, WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING));
    byId(id).terminate("test ends");
  }

  @Test
  @DisplayName("start_conflict_terminate_existing: the open run is terminated, a new one runs")
  void startConflictTerminateExisting() {
    String id = unique("terminate-existing");
    var first = startSleeper(id);
    var second = startSleeper(id, WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING);
    assertNotEquals(first.getRunId(), second.getRunId());
    var err = assertThrows(WorkflowFailedException.class, () -> byId(first).getResult(Void.class));
    assertInstanceOf(TerminatedFailure.class, err.getCause());
    var now = byId(id).describe();
    assertEquals(second, now.getExecution());
    assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING, now.getStatus());
    byId(id).terminate("test ends");
  }

  /** Starts without the typed stub, whose blocking call attaches to a run that is there. */
  private static WorkflowStub start(String type, String queue, WorkflowIdReusePolicy policy, Object... args) {
    var stub = CLIENT.newUntypedWorkflowStub(type, options(queue).setWorkflowIdReusePolicy(policy).build());
    stub.start(args);
    return stub;
  }

  private static void fails(WorkflowStub stub) {
    assertThrows(WorkflowFailedException.class, () -> stub.getResult(Void.class));
  }

  @Test
  @DisplayName("start_reuse_allow_duplicate: a closed id can be started again")
  void startReuseAllowDuplicate() {
    String queue = unique("reuse");
    var policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE;
    try (var worker = worker(queue, Simple.Echo.Impl.class)) {
      assertEquals("1", start("Echo", queue, policy, "1").getResult(String.class));
      assertEquals("2", start("Echo", queue, policy, "2").getResult(String.class));
    }
  }

  @Test
  @DisplayName("start_reuse_failed_only: refused after success, accepted after failure")
  void startReuseFailedOnly() {
    String queue = unique("failed-only");
    var policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY;
    try (var worker = worker(queue, Simple.Echo.Impl.class, Simple.Failing.Impl.class)) {
      fails(start("Failing", queue, policy));
      assertEquals("after failure", start("Echo", queue, policy, "after failure").getResult(String.class));
      assertThrows(WorkflowExecutionAlreadyStarted.class, () -> start("Echo", queue, policy, "after success"));
    }
  }

  @Test
  @DisplayName("start_reuse_reject_duplicate: refused after any close")
  void startReuseRejectDuplicate() {
    String queue = unique("reject");
    var policy = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE;
    try (var worker = worker(queue, Simple.Failing.Impl.class)) {
      fails(start("Failing", queue, policy));
      assertThrows(WorkflowExecutionAlreadyStarted.class, () -> start("Failing", queue, policy));
    }
  }

  @Test
  @DisplayName("start_delay: the first task waits for the delay")
  void startDelay() {
    String queue = unique("delay");
    try (var worker = worker(queue, Simple.Echo.Impl.class)) {
      Instant began = Instant.now();
      var stub = CLIENT.newUntypedWorkflowStub("Echo", options(queue).setStartDelay(Duration.ofSeconds(1)).build());
      stub.start("x");
      assertEquals(List.of(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED), types(queue), "no task yet");
      assertEquals("x", stub.getResult(String.class));
      assertTrue(Duration.between(began, Instant.now()).toMillis() >= 990, "not before its time");
    }
  }

  @WorkflowInterface
  public interface CountsRuns {
    @WorkflowMethod
    int run();

    class Impl implements CountsRuns {
      @Override
      public int run() {
        Integer last = Workflow.getLastCompletionResult(Integer.class);
        return last == null ? 1 : last + 1;
      }
    }
  }

  @Test
  @DisplayName("start_cron: runs again with the last result, until it is terminated")
  void startCron() {
    String queue = unique("cron");
    try (var worker = worker(queue, CountsRuns.Impl.class)) {
      var stub = CLIENT.newUntypedWorkflowStub("CountsRuns", options(queue).setCronSchedule("@every 1s").build());
      stub.start();
      eventually("a third run", () -> {
        var started = events(queue).get(0).getWorkflowExecutionStartedEventAttributes();
        if (started.getLastCompletionResult().getPayloadsCount() == 0) return false;
        return DefaultDataConverter.STANDARD_INSTANCE.fromPayload(
            started.getLastCompletionResult().getPayloads(0), Integer.class, Integer.class) >= 2;
      });
      byId(queue).terminate("enough");
      var last = byId(queue).describe();
      pause(1500); // longer than the schedule: nothing may happen
      var after = byId(queue).describe();
      assertEquals(last.getExecution(), after.getExecution());
      assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED, after.getStatus());
    }
  }

  @WorkflowInterface
  public interface ThirdTime {
    @WorkflowMethod
    int run();

    class Impl implements ThirdTime {
      @Override
      public int run() {
        int attempt = Workflow.getInfo().getAttempt();
        if (attempt < 3) throw ApplicationFailure.newFailure("again", "Again");
        return attempt;
      }
    }
  }

  @Test
  @DisplayName("start_retry: a failed workflow is retried as its policy says")
  void startRetry() {
    String queue = unique("retry");
    try (var worker = worker(queue, ThirdTime.Impl.class)) {
      var retry = RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(10)).setMaximumAttempts(5).build();
      assertEquals(3, CLIENT.newWorkflowStub(ThirdTime.class, options(queue).setRetryOptions(retry).build()).run());
    }
  }

  @WorkflowInterface
  public interface TellsAttributes {
    @WorkflowMethod
    String run();

    class Impl implements TellsAttributes {
      @Override
      public String run() {
        return tell();
      }

      static String tell() {
        var attributes = Workflow.getTypedSearchAttributes();
        return Workflow.getMemo("colour", String.class) + " " + attributes.get(KEYWORD) + " " + attributes.get(NUMBER);
      }
    }
  }

  @Test
  @DisplayName("start_memo: told to the workflow and by describe")
  void startMemo() {
    String queue = unique("memo");
    try (var worker = worker(queue, TellsAttributes.Impl.class)) {
      var options = options(queue).setMemo(Map.of("colour", "blue")).build();
      assertEquals("blue null null", CLIENT.newWorkflowStub(TellsAttributes.class, options).run());
      assertEquals("blue", byId(queue).describe().getMemo("colour", String.class));
    }
  }

  static SearchAttributes attributes(String keyword, long number) {
    return SearchAttributes.newBuilder().set(KEYWORD, keyword).set(NUMBER, number).build();
  }

  @Test
  @DisplayName("start_search_attributes: told with their types to the workflow and by describe")
  void startSearchAttributes() {
    addSearchAttributes();
    String queue = unique("attributes");
    try (var worker = worker(queue, TellsAttributes.Impl.class)) {
      var options = options(queue).setTypedSearchAttributes(attributes("a key", 42)).build();
      assertEquals("null a key 42", CLIENT.newWorkflowStub(TellsAttributes.class, options).run());
      var described = byId(queue).describe().getTypedSearchAttributes();
      assertEquals("a key", described.get(KEYWORD));
      assertEquals(42, described.get(NUMBER));
    }
  }

  /** Carries one word from the client's thread to the workflow's in a header. */
  private static final class Propagator implements ContextPropagator {
    private final ThreadLocal<String> word = new ThreadLocal<>();

    @Override
    public String getName() {
      return "greeting";
    }

    @Override
    public Map<String, Payload> serializeContext(Object context) {
      return Map.of("greeting", DefaultDataConverter.STANDARD_INSTANCE.toPayload(context).orElseThrow());
    }

    @Override
    public Object deserializeContext(Map<String, Payload> header) {
      return DefaultDataConverter.STANDARD_INSTANCE.fromPayload(header.get("greeting"), String.class, String.class);
    }

    @Override
    public Object getCurrentContext() {
      return word.get();
    }

    @Override
    public void setCurrentContext(Object context) {
      word.set((String) context);
    }
  }

  private static final Propagator PROPAGATOR = new Propagator();

  @WorkflowInterface
  public interface TellsHeader {
    @WorkflowMethod
    String run();

    class Impl implements TellsHeader {
      @Override
      public String run() {
        return (String) PROPAGATOR.getCurrentContext();
      }
    }
  }

  @Test
  @DisplayName("start_header: what a context propagator sets reaches the workflow")
  void startHeader() {
    String queue = unique("header");
    var client = WorkflowClient.newInstance(SERVICE, clientOptions().setContextPropagators(List.of(PROPAGATOR)).build());
    try (var worker = new TestWorker(client, queue, 10, WorkerOptions.newBuilder(), TellsHeader.Impl.class)) {
      PROPAGATOR.setCurrentContext("from afar");
      assertEquals("from afar", client.newWorkflowStub(TellsHeader.class, options(queue).build()).run());
    }
  }

  @Test
  @DisplayName("start_summary_and_details: told by describe")
  void startSummaryAndDetails() {
    String id = unique("summary");
    var options = options(id).setStaticSummary("in *short*").setStaticDetails("at\nlength").build();
    CLIENT.newUntypedWorkflowStub("Sleeper", options).start();
    var description = byId(id).describe();
    assertEquals("in *short*", description.getStaticSummary());
    assertEquals("at\nlength", description.getStaticDetails());
    byId(id).terminate("test ends");
  }

  @WorkflowInterface
  public interface TellsPriority {
    @WorkflowMethod
    int run();

    class Impl implements TellsPriority {
      @Override
      public int run() {
        return Workflow.getInfo().getPriority().getPriorityKey();
      }
    }
  }

  @Test
  @DisplayName("start_priority: told to the workflow and by describe")
  void startPriority() {
    String queue = unique("priority");
    try (var worker = worker(queue, TellsPriority.Impl.class)) {
      var options = options(queue).setPriority(Priority.newBuilder().setPriorityKey(2).build()).build();
      assertEquals(2, CLIENT.newWorkflowStub(TellsPriority.class, options).run());
      assertEquals(2, byId(queue).describe().getWorkflowExecutionInfo().getPriority().getPriorityKey());
    }
  }

  @Test
  @DisplayName("start_eager: an eagerly started workflow completes")
  void startEager() {
    String queue = unique("eager");
    try (var worker = new TestWorker(CLIENT, queue, 10, WorkerOptions.newBuilder(), Simple.Hello.Impl.class)) {
      var options = options(queue).setDisableEagerExecution(false).build();
      assertEquals("Hello, eager!", CLIENT.newWorkflowStub(Simple.Hello.class, options).hello("eager"));
      assertTrue(events(queue).get(0).getWorkflowExecutionStartedEventAttributes().getEagerExecutionAccepted());
    }
  }

  @Test
  @DisplayName("start_with_signal: starts, and the second one signals")
  void startWithSignal() {
    String queue = unique("with-signal");
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      Consumer<String> signalWithStart = text -> {
        var stub = newStub(Simple.Collector.class, queue);
        var batch = CLIENT.newSignalWithStartRequest();
        batch.add(stub::collect);
        batch.add(stub::note, text);
        CLIENT.signalWithStart(batch);
      };
      signalWithStart.accept("one");
      String runId = byId(queue).describe().getExecution().getRunId();
      signalWithStart.accept("two");
      assertEquals(runId, byId(queue).describe().getExecution().getRunId());
      byId(queue).signal("finish");
      assertEquals(List.of("one", "two"), byId(queue).getResult(List.class));
    }
  }

  private static void timesOut(WorkflowStub stub) {
    var err = assertThrows(WorkflowFailedException.class, () -> stub.getResult(Void.class));
    assertInstanceOf(TimeoutFailure.class, err.getCause());
    assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, status(stub.getExecution().getWorkflowId()));
  }

  @Test
  @DisplayName("start_run_timeout: the run times out")
  void startRunTimeout() {
    String queue = unique("run-timeout");
    try (var worker = worker(queue, Simple.Sleeper.Impl.class)) {
      var stub = CLIENT.newUntypedWorkflowStub("Sleeper", options(queue).setWorkflowRunTimeout(Duration.ofSeconds(1)).build());
      stub.start();
      timesOut(stub);
    }
  }

  @WorkflowInterface
  public interface Endless {
    @WorkflowMethod
    void run();

    class Impl implements Endless {
      @Override
      public void run() {
        Workflow.sleep(Duration.ofMillis(300));
        Workflow.newContinueAsNewStub(Endless.class).run();
      }
    }
  }

  @Test
  @DisplayName("start_execution_timeout: the execution times out across runs")
  void startExecutionTimeout() {
    String queue = unique("execution-timeout");
    try (var worker = worker(queue, Endless.Impl.class, Simple.Echo.Impl.class)) {
      newStub(Simple.Echo.class, queue).echo("the worker is up");
      var options = options(queue).setWorkflowExecutionTimeout(Duration.ofSeconds(3)).build();
      var stub = CLIENT.newUntypedWorkflowStub("Endless", options);
      var first = stub.start();
      timesOut(stub);
      assertNotEquals(first.getRunId(), byId(queue).describe().getExecution().getRunId());
    }
  }

  @Test
  @DisplayName("start_large_payload: 1.5 MB in and out")
  void startLargePayload() {
    String queue = unique("large");
    String text = "0123456789".repeat(150_000);
    try (var worker = worker(queue, Simple.Echo.Impl.class)) {
      assertTrue(text.equals(newStub(Simple.Echo.class, queue).echo(text)));
    }
  }

  @Test
  @DisplayName("start_unknown_namespace: fails as namespace not found")
  void startUnknownNamespace() {
    String id = unique("nowhere");
    var client = WorkflowClient.newInstance(SERVICE, clientOptions().setNamespace(id).build());
    var stub = client.newUntypedWorkflowStub("Sleeper", options(id).build());
    var err = assertThrows(WorkflowServiceException.class, () -> stub.start());
    var cause = assertInstanceOf(StatusRuntimeException.class, err.getCause());
    assertEquals(Status.Code.NOT_FOUND, cause.getStatus().getCode());
    assertTrue(cause.getMessage().contains(id), cause.getMessage());
  }
}

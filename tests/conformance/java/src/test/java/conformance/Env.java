package conformance;

import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.IndexedValueType;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.api.operatorservice.v1.AddSearchAttributesRequest;
import io.temporal.api.operatorservice.v1.OperatorServiceGrpc;
import io.temporal.api.operatorservice.v1.OperatorServiceGrpc.OperatorServiceBlockingStub;
import io.temporal.api.workflowservice.v1.WorkflowServiceGrpc.WorkflowServiceBlockingStub;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.common.SearchAttributeKey;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.worker.WorkerFactory;
import io.temporal.worker.WorkerFactoryOptions;
import io.temporal.worker.WorkerOptions;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** What every test needs: a client, workers with task queues of their own, histories, waiting for conditions. */
final class Env {
  private Env() {}

  private static final String[] ADDRESSES =
      System.getenv().getOrDefault("PERDURE_ADDRESSES",
          System.getenv().getOrDefault("PERDURE_ADDRESS", "127.0.0.1:7233")).split("[ ,]+");
  static final String NAMESPACE = System.getenv().getOrDefault("PERDURE_NAMESPACE", "default");

  /** Several frontends: clients talk to the first, workers to the last. */
  static final WorkflowServiceStubs SERVICE = connect(ADDRESSES[0]);
  private static final WorkflowServiceStubs WORKERS = connect(ADDRESSES[ADDRESSES.length - 1]);

  static final WorkflowClient CLIENT = newClient(SERVICE);

  static final SearchAttributeKey<String> KEYWORD = SearchAttributeKey.forKeyword("ConformanceKeyword");
  static final SearchAttributeKey<Long> NUMBER = SearchAttributeKey.forLong("ConformanceInt");

  private static WorkflowServiceStubs connect(String address) {
    return WorkflowServiceStubs.newConnectedServiceStubs(
        WorkflowServiceStubsOptions.newBuilder().setTarget(address).build(), Duration.ofSeconds(30));
  }

  /** A client's connection with options of its own. */
  static WorkflowServiceStubs connect(Consumer<WorkflowServiceStubsOptions.Builder> change) {
    var options = WorkflowServiceStubsOptions.newBuilder().setTarget(ADDRESSES[0]);
    change.accept(options);
    return WorkflowServiceStubs.newConnectedServiceStubs(options.build(), Duration.ofSeconds(30));
  }

  /** A connection of workers, which a test may cut. */
  static WorkflowServiceStubs connectWorkers() {
    return connect(ADDRESSES[ADDRESSES.length - 1]);
  }

  static WorkflowClientOptions.Builder clientOptions() {
    return WorkflowClientOptions.newBuilder().setNamespace(NAMESPACE);
  }

  static WorkflowClient newClient(WorkflowServiceStubs service) {
    return WorkflowClient.newInstance(service, clientOptions().build());
  }

  static WorkflowServiceBlockingStub raw() {
    return SERVICE.blockingStub();
  }

  static String unique(String name) {
    return name + "-" + UUID.randomUUID();
  }

  /** A worker with all activities, until it is closed. */
  static final class TestWorker implements AutoCloseable {
    final WorkerFactory factory;

    TestWorker(WorkflowClient client, String queue, int cache, WorkerOptions.Builder options, Class<?>... workflows) {
      factory = WorkerFactory.newInstance(client,
          WorkerFactoryOptions.newBuilder().setWorkflowCacheSize(cache).setMaxWorkflowThreadCount(100).build());
      var worker = factory.newWorker(queue,
          options.setMaxConcurrentWorkflowTaskPollers(2).setMaxConcurrentActivityTaskPollers(2).build());
      worker.registerWorkflowImplementationTypes(workflows);
      worker.registerActivitiesImplementations(new Activities.Impl());
      factory.start();
    }

    @Override
    public void close() {
      factory.shutdownNow();
      factory.awaitTermination(10, TimeUnit.SECONDS);
    }
  }

  static TestWorker worker(String queue, Class<?>... workflows) {
    return new TestWorker(newClient(WORKERS), queue, 20, WorkerOptions.newBuilder(), workflows);
  }

  static TestWorker worker(WorkerOptions.Builder options, String queue, Class<?>... workflows) {
    return new TestWorker(newClient(WORKERS), queue, 20, options, workflows);
  }

  static TestWorker workerWithoutCache(String queue, Class<?>... workflows) {
    return new TestWorker(newClient(WORKERS), queue, 0, WorkerOptions.newBuilder(), workflows);
  }

  /** The workflow id is the task queue's name. */
  static WorkflowOptions.Builder options(String queue) {
    return WorkflowOptions.newBuilder().setTaskQueue(queue).setWorkflowId(queue);
  }

  static <T> T newStub(Class<T> type, String queue) {
    return CLIENT.newWorkflowStub(type, options(queue).build());
  }

  static WorkflowStub byId(String workflowId) {
    return CLIENT.newUntypedWorkflowStub(workflowId);
  }

  static WorkflowStub byId(WorkflowExecution execution) {
    return CLIENT.newUntypedWorkflowStub(execution, java.util.Optional.empty());
  }

  static List<HistoryEvent> events(String workflowId) {
    return CLIENT.fetchHistory(workflowId).getEvents();
  }

  static List<HistoryEvent> events(WorkflowExecution execution) {
    return CLIENT.fetchHistory(execution.getWorkflowId(), execution.getRunId()).getEvents();
  }

  static List<EventType> types(String workflowId) {
    return events(workflowId).stream().map(HistoryEvent::getEventType).toList();
  }

  static long count(String workflowId, EventType type) {
    return types(workflowId).stream().filter(type::equals).count();
  }

  static HistoryEvent first(String workflowId, EventType type) {
    return events(workflowId).stream().filter(event -> event.getEventType() == type).findFirst().orElseThrow();
  }

  static WorkflowExecutionStatus status(String workflowId) {
    return byId(workflowId).describe().getStatus();
  }

  static void eventually(String what, Supplier<Boolean> probe) {
    Instant end = Instant.now().plusSeconds(30);
    while (!probe.get()) {
      if (Instant.now().isAfter(end)) throw new AssertionError("did not come true in 30 s: " + what);
      pause(25);
    }
  }

  static void reached(String workflowId, EventType type, int times) {
    eventually(times + " x " + type, () -> count(workflowId, type) >= times);
  }

  static void reached(String workflowId, EventType type) {
    reached(workflowId, type, 1);
  }

  static void pause(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException err) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(err);
    }
  }

  /** The search attributes that the tests use, made known to the namespace. */
  static synchronized void addSearchAttributes() {
    var operator = OperatorServiceGrpc.newBlockingStub(SERVICE.getRawChannel());
    add(operator, KEYWORD.getName(), IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD);
    add(operator, NUMBER.getName(), IndexedValueType.INDEXED_VALUE_TYPE_INT);
  }

  private static void add(OperatorServiceBlockingStub operator, String name, IndexedValueType type) {
    try {
      operator.addSearchAttributes(AddSearchAttributesRequest.newBuilder()
          .setNamespace(NAMESPACE).putSearchAttributes(name, type).build());
    } catch (StatusRuntimeException err) {
      if (err.getStatus().getCode() != Status.Code.ALREADY_EXISTS) throw err;
    }
  }
}

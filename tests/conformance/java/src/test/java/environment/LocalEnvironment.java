package environment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.temporal.activity.ActivityInterface;
import io.temporal.activity.ActivityOptions;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.client.WorkflowOptions;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.testing.TemporalDevServer;
import io.temporal.testing.TemporalDevServerOptions;
import io.temporal.worker.WorkerFactory;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * The SDK's local server is Perdure, found where it looks; run by tests/conformance/environment. One test after the
 * other, because they count servers.
 */
@Execution(ExecutionMode.SAME_THREAD)
public class LocalEnvironment {
  @ActivityInterface
  public interface Greeter {
    String greet(String name);
  }

  @WorkflowInterface
  public interface Hello {
    @WorkflowMethod
    String run(String name);
  }

  public static class HelloImpl implements Hello {
    private final Greeter greeter =
        Workflow.newActivityStub(
            Greeter.class,
            ActivityOptions.newBuilder().setStartToCloseTimeout(Duration.ofSeconds(10)).build());

    @Override
    public String run(String name) {
      return greeter.greet(name);
    }
  }

  private static long servers() {
    Path place = Path.of(System.getProperty("java.io.tmpdir"), "temporal-dev-server");
    return ProcessHandle.current().descendants()
        .filter(p -> p.info().command().map(c -> Path.of(c).startsWith(place)).orElse(false))
        .count();
  }

  private static void greets(TemporalDevServer server) {
    WorkflowServiceStubs stubs =
        WorkflowServiceStubs.newServiceStubs(
            WorkflowServiceStubsOptions.newBuilder().setTarget(server.getTarget()).build());
    WorkflowClient client =
        WorkflowClient.newInstance(
            stubs, WorkflowClientOptions.newBuilder().setNamespace(server.getNamespace()).build());
    WorkerFactory factory = WorkerFactory.newInstance(client);
    try {
      var worker = factory.newWorker("q");
      worker.registerWorkflowImplementationTypes(HelloImpl.class);
      worker.registerActivitiesImplementations((Greeter) name -> "Hello, " + name + "!");
      factory.start();
      Hello hello = client.newWorkflowStub(Hello.class, WorkflowOptions.newBuilder().setTaskQueue("q").build());
      assertEquals("Hello, local!", hello.run("local"));
    } finally {
      factory.shutdownNow();
      stubs.shutdownNow();
    }
  }

  private static TemporalDevServerOptions.Builder options() {
    return TemporalDevServerOptions.newBuilder().setDownloadEnabled(false);
  }

  @Test
  void aWorkflowRunsInALocalEnvironment() {
    try (TemporalDevServer server = TemporalDevServer.start(options().build())) {
      assertEquals(1, servers());
      greets(server);
    }
    assertEquals(0, servers());
  }

  @Test
  void withTheOptionsThatTestsUse() {
    String file = Path.of(System.getProperty("java.io.tmpdir"), "kept.db").toString();
    TemporalDevServerOptions options =
        options().setUi(true).setDatabaseFilename(file).setLogFormat("json").setLogLevel("warn")
            .setExtraArgs("--dynamic-config-value", "history.MaxBufferedQueryCount=10000").build();
    try (TemporalDevServer server = TemporalDevServer.start("mine", options)) {
      assertEquals("mine", server.getNamespace());
      greets(server);
    }
    assertTrue(Path.of(file).toFile().length() > 0);
  }
}

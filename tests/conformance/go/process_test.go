// A worker in a process of its own, which a test may kill: this executable, started anew.
package conformance

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

func TestMain(m *testing.M) {
	queue := os.Getenv("CONFORMANCE_WORKER")
	if queue == "" {
		os.Exit(m.Run())
	}
	c, err := client.Dial(client.Options{HostPort: addresses()[0], Namespace: namespace(), Logger: quiet})
	if err != nil {
		panic(err)
	}
	if os.Getenv("CONFORMANCE_CACHE") == "off" {
		worker.SetStickyWorkflowCacheSize(0)
	}
	w := worker.New(c, queue, worker.Options{})
	registerAll(w)
	if err := w.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	<-worker.InterruptCh()
}

func (p *place) process(queue string, environment ...string) (kill func()) {
	p.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(append(os.Environ(), "CONFORMANCE_WORKER="+queue), environment...)
	out, err := child.StdoutPipe()
	p.must(err)
	p.must(child.Start())
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = child.Process.Kill()
			_ = child.Wait()
		}
	}
	p.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	p.must(err)
	p.check(line == "ready\n", "the worker says %q", line)
	return kill
}

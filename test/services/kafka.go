package services

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed conf
var conf embed.FS

// clusterID is any 16 bytes in base64, as StorageTool wants them.
const clusterID = "MkU3OEVBNTcwNTJENDM2Qk"

const kafkaStartLimit = 120 * time.Second

// KafkaCluster is an Apache Kafka that listens on loopback. Topics are not
// created by themselves; there are no rights to check.
type KafkaCluster struct {
	Bootstrap []string // host:port of every broker

	dir     string
	brokers []*broker
}

// Address is the bootstrap list as clients take it: host:port,host:port.
func (k *KafkaCluster) Address() string { return strings.Join(k.Bootstrap, ",") }

// PID is the process id of the first broker, to read what it uses.
func (k *KafkaCluster) PID() int { return k.brokers[0].proc.pid }

// broker is one Kafka process and what is needed to start it again.
type broker struct {
	run   spec
	ready func(*process) error
	proc  *process
}

func (b *broker) start(ctx context.Context) error {
	p, err := launch(b.run)
	if err != nil {
		return err
	}
	b.proc = p
	if err := p.await(ctx, kafkaStartLimit, func() error { return b.ready(p) }); err != nil {
		p.kill()
		return err
	}
	return nil
}

// Kill ends broker n (from 0) at once, as kill -9 does.
func (k *KafkaCluster) Kill(n int) { k.brokers[n].proc.kill() }

// Pause freezes broker n: its connections stay open and answer nothing.
func (k *KafkaCluster) Pause(n int) error { return k.brokers[n].proc.signal(syscall.SIGSTOP) }

// Resume lets a paused broker go on.
func (k *KafkaCluster) Resume(n int) error { return k.brokers[n].proc.signal(syscall.SIGCONT) }

// Restart starts broker n again, on its old port and data, and returns when it
// serves; a broker that still runs is stopped in an orderly way before.
func (k *KafkaCluster) Restart(ctx context.Context, n int) error {
	b := k.brokers[n]
	b.proc.stop()
	// The log of the first life has the line that says "started".
	if err := os.Rename(b.proc.log, b.proc.log+".old"); err != nil {
		return fmt.Errorf("restart %s: %w", b.run.name, err)
	}
	return b.start(ctx)
}

func (k *KafkaCluster) stop() {
	for _, b := range k.brokers {
		if b.proc != nil {
			b.proc.stop()
		}
	}
	os.RemoveAll(k.dir)
}

// KafkaOptions size a cluster.
type KafkaOptions struct {
	Brokers int    // default 1
	Heap    string // of each broker, as -Xmx takes it; default 512m
	Orphan  bool   // leave it running when this process ends
}

// StartKafka starts an open cluster; the caller stops it with the returned
// function. Tests take Kafka or KafkaCluster3 instead, which share one.
func StartKafka(ctx context.Context, o KafkaOptions) (*KafkaCluster, func(), error) {
	if o.Brokers == 0 {
		o.Brokers = 1
	}
	k, err := retryPorts(func() (*KafkaCluster, error) { return startOpen(ctx, o) })
	if err != nil {
		return nil, nil, err
	}
	return k, k.stop, nil
}

// retryPorts tries again when a port was taken between the moment it was
// found free and the moment the service opened it.
func retryPorts[T any](start func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		v, err := start()
		if err == nil || try == 3 || !strings.Contains(err.Error(), "ddress already in use") {
			return v, err
		}
	}
}

func startOpen(ctx context.Context, o KafkaOptions) (_ *KafkaCluster, err error) {
	jvm, err := newKafkaJVM(o.Heap)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2 * o.Brokers)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "headrace-kafka-")
	if err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	k := &KafkaCluster{dir: dir}
	defer func() {
		if err != nil {
			k.stop()
		}
	}()
	var voters []string
	for i := range o.Brokers {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, loopback(ports[2*i+1])))
	}
	minISR, session := 1, 60000
	if o.Brokers > 2 {
		minISR, session = 2, 9000 // a dead broker has to be noticed soon
	}
	for i := range o.Brokers {
		port := ports[2*i]
		vars := map[string]any{
			"Node": i + 1, "Voters": strings.Join(voters, ","), "Port": port, "Controller": ports[2*i+1],
			"Replicas": min(o.Brokers, 3), "MinISR": minISR, "SessionMS": session,
		}
		b, err := jvm.prepare(dir, fmt.Sprintf("kafka-%d", i+1), "kafka-open.properties", vars, nil)
		if err != nil {
			return nil, err
		}
		b.run.orphan = o.Orphan
		b.ready = kafkaUp(loopback(port))
		k.brokers = append(k.brokers, b)
		k.Bootstrap = append(k.Bootstrap, loopback(port))
	}
	return k, startTogether(ctx, k.brokers)
}

// startTogether starts brokers side by side: a quorum of three is not ready
// before two of them run.
func startTogether(ctx context.Context, brokers []*broker) error {
	errs := make(chan error, len(brokers))
	for _, b := range brokers {
		go func() { errs <- b.start(ctx) }()
	}
	var first error
	for range brokers {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func kafkaUp(addr string) func(*process) error {
	return func(p *process) error {
		if !p.logged("Kafka Server started") {
			return fmt.Errorf("its log does not say yet that it has started")
		}
		return dialable(addr)
	}
}

// kafkaJVM is how a Kafka program is run.
type kafkaJVM struct {
	java, libs, heap string
}

func newKafkaJVM(heap string) (*kafkaJVM, error) {
	home, err := findJava(17)
	if err != nil {
		return nil, err
	}
	libs, err := InstallKafka()
	if err != nil {
		return nil, err
	}
	if heap == "" {
		heap = "512m"
	}
	return &kafkaJVM{java: filepath.Join(home, "bin", "java"), libs: libs, heap: heap}, nil
}

// InstallKafka returns the folder with Kafka's jars, fetched when it is not there.
func InstallKafka() (string, error) {
	return installed("kafka-"+KafkaVersion, func(dir string) error {
		pom, err := conf.ReadFile("conf/kafka-pom.xml")
		if err != nil {
			return err
		}
		build, err := os.MkdirTemp("", "headrace-pom-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(build)
		if err := os.WriteFile(filepath.Join(build, "pom.xml"), pom, 0o644); err != nil {
			return err
		}
		return maven(build, "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
			"-DincludeScope=runtime", "-Dkafka.version="+KafkaVersion, "-DoutputDirectory="+dir)
	})
}

// prepare writes the broker's configuration from a template, formats its data
// folder and says how to run it. format has further StorageTool arguments.
func (j *kafkaJVM) prepare(dir, name, tmpl string, vars map[string]any, format []string, jvmArgs ...string) (*broker, error) {
	data := filepath.Join(dir, name)
	vars["Data"] = data
	props := filepath.Join(dir, name+".properties")
	if err := render(tmpl, props, vars); err != nil {
		return nil, err
	}
	logs := filepath.Join(dir, "log4j2.properties")
	if err := render("log4j2.properties", logs, nil); err != nil {
		return nil, err
	}
	base := []string{"-Dlog4j2.configurationFile=" + logs, "-cp", j.libs + "/*"}
	args := append([]string{"-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}, base...)
	args = append(args, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", props)
	if err := command(dir, j.java, append(args, format...)...); err != nil {
		return nil, fmt.Errorf("format the data of %s: %w", name, err)
	}
	run := append([]string{"-Xms256m", "-Xmx" + j.heap, "-XX:+UseG1GC"}, jvmArgs...)
	run = append(run, base...)
	run = append(run, "kafka.Kafka", props)
	return &broker{run: spec{name: name, dir: dir, path: j.java, args: run}}, nil
}

// render fills a template of conf into a file.
func render(name, file string, vars any) error {
	src, err := conf.ReadFile("conf/" + name)
	if err != nil {
		return err
	}
	t, err := template.New(name).Option("missingkey=error").Parse(string(src))
	if err != nil {
		return fmt.Errorf("read template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, vars); err != nil {
		return fmt.Errorf("fill template %s: %w", name, err)
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

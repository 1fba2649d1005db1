package execsource_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/sources/execsource"
)

// act names what this test binary does as the command of a block.
const act = "HEADRACE_TEST_ACT"

func TestMain(m *testing.M) {
	if what := os.Getenv(act); what != "" {
		os.Exit(command(what, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// command is the other side: a program that prints records.
func command(what string, args []string) int {
	switch what {
	case "lines":
		n, _ := strconv.Atoi(args[0])
		for i := range n {
			if _, err := fmt.Printf("%d %s\n", i, strings.Repeat("x", 300)); err != nil {
				return 1
			}
		}
		return 0
	case "fail":
		fmt.Print("1\n2\n")
		fmt.Fprint(os.Stderr, "connecting\nno route to the database")
		return 3
	case "environment":
		dir, _ := os.Getwd()
		fmt.Printf("%q\n%q\n%q\n", os.Getenv("GREETING"), dir, args)
		return 0
	case "tells":
		fmt.Fprintln(os.Stderr, "cannot log in with Q7xk2P9vLm4TzR8w")
		return 1
	case "chatter":
		for i := range 5000 {
			fmt.Fprintf(os.Stderr, "%d %s\n", i, strings.Repeat("e", 3000))
		}
		return 1
	case "hang":
		fmt.Print("1\n")
		time.Sleep(time.Hour)
		return 0
	case "leaves stdout", "leaves stderr": // a process in the background that keeps one of them open
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), act+"=hang")
		if what == "leaves stderr" {
			child.Stderr = os.Stderr
		} else {
			child.Stdout = os.Stdout // where it prints 1
		}
		if err := child.Start(); err != nil {
			return 1
		}
		fmt.Println(child.Process.Pid)
		return 0
	case "parent":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), act+"=hang")
		child.Stdout = os.Stdout
		if err := child.Run(); err != nil {
			return 1
		}
	}
	return 2
}

func config(what string, args ...string) execsource.Config {
	cfg := execsource.DefaultConfig()
	cfg.Command = append([]string{os.Args[0]}, args...)
	cfg.Environment = map[string]string{act: what}
	return cfg
}

func env(log *bytes.Buffer) block.Env {
	return block.Env{Pipeline: "p", Block: "b", Log: slog.New(slog.NewTextHandler(log, nil))}
}

// collect acknowledges everything and keeps the values; first is called at the
// first batch.
func collect(values *[]string, first func()) connector.Publisher {
	return connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		for _, m := range batch {
			*values = append(*values, string(m.Value))
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
		}
		if first != nil {
			first()
			first = nil
		}
		return nil
	})
}

func TestConformance(t *testing.T) {
	connectortest.TestSource(t, connectortest.SourceHarness{
		Caps: connectortest.SourceCaps{StartsOver: true, Records: 3000},
		Open: func(_ *testing.T, n int) connectortest.Input {
			cfg := config("lines", strconv.Itoa(n))
			cfg.Format = "text"
			return connectortest.Input{
				Source: func() connector.Source { return execsource.New(cfg, env(new(bytes.Buffer))) },
				Index: func(m *connector.Message) (int, error) {
					number, _, _ := strings.Cut(string(m.Value), " ")
					return strconv.Atoi(number)
				},
			}
		},
	})
}

func TestTheExitCodeDecides(t *testing.T) {
	var log bytes.Buffer
	var values []string
	err := intake.Run(t.Context(), intake.Config{Source: execsource.New(config("fail"), env(&log)), Out: collect(&values, nil)})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "its last words: connecting | no route to the database") {
		t.Errorf("the run: %v", err)
	}
	if len(values) != 2 {
		t.Errorf("%q came; what was printed before is delivered", values)
	}
	if text := log.String(); !strings.Contains(text, "pipeline=p block=b stderr=connecting") || !strings.Contains(text, `stderr="no route to the database"`) {
		t.Errorf("log: %s", text)
	}
}

func TestEnvironmentFolderAndArguments(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/sub", 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := config("environment", "a b", "$HOME", "*")
	cfg.Environment["GREETING"], cfg.WorkingDir = "hello", "sub"
	e := env(new(bytes.Buffer))
	e.Dir = dir
	cfg.Format = "text"
	var values []string
	if err := intake.Run(t.Context(), intake.Config{Source: execsource.New(cfg, e), Out: collect(&values, nil)}); err != nil {
		t.Fatal(err)
	}
	if len(values) != 3 || values[0] != `"hello"` || !strings.HasSuffix(values[1], `sub"`) || values[2] != `["a b" "$HOME" "*"]` {
		t.Errorf("%q: no shell takes part", values)
	}
}

func TestAWrongCommandIsNamed(t *testing.T) {
	cfg := config("lines")
	cfg.Command = []string{"no-such-program-here"}
	err := intake.Run(t.Context(), intake.Config{Source: execsource.New(cfg, env(new(bytes.Buffer))), Out: collect(new([]string), nil)})
	if connector.KindOf(err) != connector.NotFound || !strings.Contains(err.Error(), "start no-such-program-here") {
		t.Errorf("%v", err)
	}
}

// TestStandardErrorIsBounded has a command that writes 15 MB of it.
func TestStandardErrorIsBounded(t *testing.T) {
	var log bytes.Buffer
	err := intake.Run(t.Context(), intake.Config{Source: execsource.New(config("chatter"), env(&log)), Out: collect(new([]string), nil)})
	if err == nil || len(err.Error()) > 12_000 || !strings.Contains(err.Error(), "4999 e") {
		t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
	}
	if n := strings.Count(log.String(), "\n"); n != 1001 || !strings.Contains(log.String(), "the rest is not logged") {
		t.Errorf("%d lines were logged", n)
	}
}

// TestAStopEndsTheCommandAndItsChildren cancels a run whose command waits for a
// child that keeps standard output open.
func TestAStopEndsTheCommandAndItsChildren(t *testing.T) {
	for _, what := range []string{"hang", "parent"} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			start := time.Now()
			var values []string
			if err := intake.Run(ctx, intake.Config{Source: execsource.New(config(what), env(new(bytes.Buffer))), Out: collect(&values, cancel)}); err != nil {
				t.Errorf("a stopped run: %v", err)
			}
			if d := time.Since(start); d > 20*time.Second || len(values) != 1 {
				t.Errorf("%q after %v", values, d)
			}
		})
	}
}

// TestAProcessThatIsLeftBehindIsNotWaitedFor has a command that ends with
// success and leaves a process in the background, which keeps an output open for
// an hour: everything that was printed is delivered, the run succeeds, and says
// so.
func TestAProcessThatIsLeftBehindIsNotWaitedFor(t *testing.T) {
	for what, want := range map[string]int{"leaves stdout": 2, "leaves stderr": 1} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			var values []string
			start := time.Now()
			err := intake.Run(t.Context(), intake.Config{Source: execsource.New(config(what), env(&log)), Out: collect(&values, nil)})
			if d := time.Since(start); err != nil || d > 30*time.Second || len(values) != want {
				t.Errorf("%v after %v, %q", err, d, values)
			}
			for _, v := range values {
				if pid, err := strconv.Atoi(v); err == nil && pid > 1 {
					if p, err := os.FindProcess(pid); err == nil {
						_ = p.Kill()
					}
				}
			}
			if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "keeps its standard "+map[string]string{"leaves stdout": "output", "leaves stderr": "error"}[what]+" open") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

// TestSecretsInStandardErrorAreNotLogged has a command that prints one.
func TestSecretsInStandardErrorAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	err := intake.Run(t.Context(), intake.Config{Source: execsource.New(config("tells"), env(&log)), Out: collect(new([]string), nil)})
	if err == nil || !strings.Contains(err.Error(), "cannot log in with") || strings.Contains(err.Error()+log.String(), "Q7xk2P9v") {
		t.Errorf("%v, log: %s", err, log.String())
	}
}

func TestConfigFaults(t *testing.T) {
	for name, command := range map[string][]string{"none": nil, "empty": {""}} {
		cfg := execsource.DefaultConfig()
		cfg.Command = command
		if got := cfg.Validate(); len(got) != 1 || got[0].Path != "command" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

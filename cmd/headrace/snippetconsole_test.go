package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// document is the folder and the shell in which the commands of one document
// run, one after the other.
type document struct {
	dir   string
	shell *exec.Cmd
	in    io.WriteCloser
	pipe  *os.File
	out   *bufio.Reader
	dev   *exec.Cmd
	// instead are addresses that stand in the document, and those in use here.
	instead []string
}

// step is one command, and the lines that are shown below it.
type step struct {
	command string
	shows   []string
}

// stepsOf divides a console block. A command goes on where its line ends with a
// backslash or a bar.
func stepsOf(text string) (steps []step) {
	goesOn := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		command, begins := strings.CutPrefix(line, "$ ")
		switch {
		case begins:
			steps = append(steps, step{command: command})
		case len(steps) == 0:
			return nil
		case goesOn:
			steps[len(steps)-1].command += "\n" + line
			command = line
		default:
			steps[len(steps)-1].shows = append(steps[len(steps)-1].shows, line)
			continue
		}
		goesOn = strings.HasSuffix(command, `\`) || strings.HasSuffix(command, "|")
	}
	return steps
}

func (d *document) console(t *testing.T, s snippet) {
	t.Helper()
	steps := stepsOf(s.text)
	if len(steps) == 0 {
		t.Errorf("%s: a console block begins with a command behind $", s.at())
		return
	}
	if s.says == "dev" {
		d.startDev(t, s, steps[0])
		return
	}
	for _, step := range steps {
		got := d.run(t, step.command)
		if d, ok := differs(step.shows, got); ok {
			t.Errorf("%s: $ %s\n%s\nit printed:\n%s", s.at(), step.command, d, strings.Join(got, "\n"))
		}
	}
}

// end stands behind the output of each command.
const end = "--- the command has ended ---"

// longest is how long a command of a document may take.
const longest = time.Minute

// run hands a command to the document's shell and returns the lines it prints,
// without the log.
func (d *document) run(t *testing.T, command string) (lines []string) {
	t.Helper()
	if d.shell == nil {
		d.startShell(t)
	}
	command = strings.NewReplacer(d.instead...).Replace(command)
	if _, err := fmt.Fprintf(d.in, "{ %s\n} </dev/null\nheadrace_test_status=$?; echo; echo '%s'; (exit $headrace_test_status)\n", command, end); err != nil {
		t.Fatal(err)
	}
	if err := d.pipe.SetReadDeadline(time.Now().Add(longest)); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := d.out.ReadString('\n')
		if err != nil {
			t.Fatalf("the shell ended in: %s: %v", command, err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == end {
			return slices.DeleteFunc(lines, func(l string) bool { return l == "" })
		}
		if !strings.HasPrefix(line, "time=") {
			lines = append(lines, line)
		}
	}
}

func (d *document) startShell(t *testing.T) {
	t.Helper()
	d.shell = exec.Command("sh")
	d.shell.Dir = d.dir
	var err error
	if d.in, err = d.shell.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.pipe, d.out = out, bufio.NewReader(out)
	d.shell.Stdout, d.shell.Stderr = in, in
	if err := d.shell.Start(); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
}

var (
	printedBroker = regexp.MustCompile(`Kafka broker\s+(\S+)`)
	printedAPI    = regexp.MustCompile(`HTTP API\s+http://([^/\s]+)`)
)

// startDev starts what make run starts, on a port of the system's choice, and
// compares what it prints. The addresses that it got stand for those that the
// document shows.
func (d *document) startDev(t *testing.T, s snippet, shown step) {
	t.Helper()
	d.dev = exec.Command("headrace", "dev", "--listen", "127.0.0.1:0")
	out, err := d.dev.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.dev.Start(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for scan := bufio.NewScanner(out); scan.Scan(); {
		got = append(got, scan.Text())
		if strings.HasPrefix(scan.Text(), "Stop with") {
			break
		}
	}
	if diff, ok := differs(shown.shows, got); ok {
		t.Errorf("%s: %s\nit printed:\n%s", s.at(), diff, strings.Join(got, "\n"))
	}
	for _, address := range []*regexp.Regexp{printedBroker, printedAPI} {
		there, here := address.FindStringSubmatch(s.text), address.FindStringSubmatch(strings.Join(got, "\n"))
		if there == nil || here == nil {
			t.Fatalf("%s: no address by %s", s.at(), address)
		}
		d.instead = append(d.instead, there[1], here[1])
	}
	free, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	d.instead = append(d.instead, "127.0.0.1:9092", "127.0.0.1:"+free) // where no broker is
}

func (d *document) close(t *testing.T) {
	t.Helper()
	if d.shell != nil {
		if err := d.in.Close(); err != nil {
			t.Error(err)
		}
		_ = d.shell.Wait() // its status is that of the last command
		if err := d.pipe.Close(); err != nil {
			t.Error(err)
		}
	}
	if d.dev != nil {
		if err := d.dev.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := d.dev.Wait(); err != nil {
			t.Errorf("dev: %v", err)
		}
	}
}

// varies are the parts of an output that differ from run to run.
var varies = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`\b[A-Z][a-z]{2} \d{4}-\d\d-\d\d`), "DAY"},
	{regexp.MustCompile(`\+0[12]00 CES?T`), "ZONE"},
	{regexp.MustCompile(`\b(?:\d+m)?\d+(?:\.\d+)?(?:ms|µs|s)\b`), "TIME"},
	{regexp.MustCompile(`\b\d+ records/s`), "RATE"},
}

func steady(line string) string {
	for _, v := range varies {
		line = v.what.ReplaceAllString(line, v.as)
	}
	return strings.TrimRight(line, " ")
}

// differs compares lines with those that a document shows, in which … stands
// for what is left out: a part of a line, or lines.
func differs(want, got []string) (string, bool) {
	want, got = filled(want), filled(got)
	at := 0
	for i, w := range want {
		if strings.TrimSpace(w) == "…" {
			if i == len(want)-1 {
				return "", false
			}
			for at < len(got) && !fits(want[i+1], got[at]) {
				at++
			}
			continue
		}
		if at >= len(got) || !fits(w, got[at]) {
			return fmt.Sprintf("the document shows: %s", w), true
		}
		at++
	}
	if at < len(got) {
		return fmt.Sprintf("the document does not show: %s", got[at]), true
	}
	return "", false
}

// filled leaves out empty lines.
func filled(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.TrimSpace(l) == "" })
}

func fits(want, got string) bool {
	parts := strings.Split(steady(want), "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(steady(got))
}

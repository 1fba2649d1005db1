package stdinsource_test

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/sources/stdinsource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d %s\n", i, strings.Repeat("x", 300))
	}
	return b.String()
}

func index(m *connector.Message) (int, error) {
	number, _, _ := strings.Cut(string(m.Value), " ")
	return strconv.Atoi(number)
}

func TestConformance(t *testing.T) {
	cfg := stdinsource.DefaultConfig()
	cfg.Format = "text"
	for name, reader := range map[string]func(text string) io.Reader{
		"a pipe that gives little at a time": func(text string) io.Reader { return &trickle{text: text, most: 100_000} },
		"all at once":                        func(text string) io.Reader { return strings.NewReader(text) },
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.TestSource(t, connectortest.SourceHarness{
				Caps: connectortest.SourceCaps{Once: true, Records: 3000},
				Open: func(_ *testing.T, n int) connectortest.Input {
					env := block.Env{Stdin: reader(lines(n))}
					return connectortest.Input{Index: index, Source: func() connector.Source { return stdinsource.New(cfg, env) }}
				},
			})
		})
	}
}

// trickle gives its text in pieces, as a pipe does.
type trickle struct {
	text string
	most int
}

func (r *trickle) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.most)], r.text)
	r.text = r.text[n:]
	return n, nil
}

// TestAnIdleInputDoesNotHoldUpAStop cancels a run that waits for input, and
// one whose input came in part.
func TestAnIdleInputDoesNotHoldUpAStop(t *testing.T) {
	for name, before := range map[string]string{"nothing came": "", "a line and a half came": "1\n2"} {
		t.Run(name, func(t *testing.T) {
			in, giver := io.Pipe()
			defer giver.Close() // lets go of the read that is left behind
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan string, 10)
			done := make(chan error, 1)
			go func() {
				done <- intake.Run(ctx, intake.Config{Source: stdinsource.New(stdinsource.DefaultConfig(), block.Env{Stdin: in}), Out: connector.PublisherFunc(
					func(_ context.Context, batch []*connector.Message) error {
						for _, m := range batch {
							got <- string(m.Value)
							m.Finish(connector.Result{Outcome: connector.Acknowledged})
						}
						return nil
					})})
			}()
			if before != "" {
				if _, err := io.WriteString(giver, before); err != nil {
					t.Fatal(err)
				}
				if v := <-got; v != "1" { // a whole line does not wait for more
					t.Errorf("first came %q", v)
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("a cancelled run: %v", err)
			}
			if len(got) != 0 {
				t.Errorf("half a line was published: %q", <-got)
			}
		})
	}
}

func TestABadLineAndABrokenInput(t *testing.T) {
	broken := fmt.Errorf("the disk is gone")
	var values []string
	var errs []error
	in := io.MultiReader(strings.NewReader("{\"a\":1}\n{\"a\":NaN}\n3\n"), reader(func([]byte) (int, error) { return 0, broken }))
	err := intake.Run(t.Context(), intake.Config{Source: stdinsource.New(stdinsource.DefaultConfig(), block.Env{Stdin: in}), Out: connector.PublisherFunc(
		func(_ context.Context, batch []*connector.Message) error {
			for _, m := range batch {
				values, errs = append(values, string(m.Value)), append(errs, m.Err)
				m.Finish(connector.Result{Outcome: connector.Acknowledged})
			}
			return nil
		})})
	if err == nil || !strings.Contains(err.Error(), "stdin:4: read behind byte 20: the disk is gone") {
		t.Errorf("the run: %v", err)
	}
	if len(errs) != 3 || errs[0] != nil || errs[2] != nil || errs[1] == nil || !strings.HasPrefix(errs[1].Error(), "stdin:2: not JSON at byte 6: NaN") {
		t.Errorf("%q, %v", values, errs)
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

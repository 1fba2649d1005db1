package filesource_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/sources/filesource"
)

// follower is a stream over files in a folder.
type follower struct {
	t    *testing.T
	dir  string
	left connectortest.Positions
	got  chan string
	stop func()
}

func follow(t *testing.T) *follower { return &follower{t: t, dir: t.TempDir(), stop: func() {}} }

func (f *follower) start(pattern string) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	f.got = make(chan string, 10_000)
	done := make(chan error, 1)
	source := filesource.New(config(pattern, nil), block.Env{Dir: f.dir})
	out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		for _, m := range batch {
			if m.Err != nil {
				f.got <- "bad: " + string(m.Value)
			} else {
				f.got <- string(m.Value)
			}
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
		}
		return nil
	})
	go func() {
		done <- intake.Run(ctx, intake.Config{Source: source, Out: out, Positions: &f.left, Stream: true})
	}()
	f.stop = func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("the stream ended with %v", err)
		}
		f.stop = func() {}
	}
	f.t.Cleanup(func() { f.stop() })
}

// expect waits for records, in order. Too late is a failure, not a measurement.
func (f *follower) expect(want ...string) {
	f.t.Helper()
	for i, w := range want {
		select {
		case got := <-f.got:
			if got != w {
				f.t.Fatalf("record %d is %q, want %q of %q", i, got, w, want)
			}
		case <-time.After(20 * time.Second):
			f.t.Fatalf("record %d did not come: %q of %q", i, w, want)
		}
	}
}

// nothing asserts that no record waits once another file has been read, which
// comes after all that the scan before it found.
func (f *follower) nothing() {
	f.t.Helper()
	name := fmt.Sprintf("zz-mark-%d.ndjson", time.Now().UnixNano())
	f.write(name, "\"mark\"\n")
	f.expect("\"mark\"")
}

func (f *follower) path(name string) string { return filepath.Join(f.dir, name) }

func (f *follower) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *follower) add(name, text string) {
	f.t.Helper()
	file, err := os.OpenFile(f.path(name), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		f.t.Fatal(err)
	}
}

func (f *follower) rename(from, to string) {
	f.t.Helper()
	if err := os.Rename(f.path(from), f.path(to)); err != nil {
		f.t.Fatal(err)
	}
}

func TestAStreamFollowsItsFiles(t *testing.T) {
	f := follow(t)
	f.write("m.ndjson", "1\n2\n")
	f.start("*.ndjson")
	f.expect("1", "2")
	f.add("m.ndjson", "3\n")
	f.expect("3")
	f.write("a.ndjson", "4\n") // sorts before
	f.expect("4")
	f.add("m.ndjson", "5")
	f.nothing() // half a line waits
	f.add("m.ndjson", "6\n7\n")
	f.expect("56", "7")
	f.write("m.ndjson", "8\n") // cut, and written anew
	f.expect("8")
}

// What was added, and what came, while nobody looked.
func TestAStreamGoesOn(t *testing.T) {
	f := follow(t)
	f.write("m.ndjson", "1\n")
	f.write("z.ndjson", "2\n")
	f.start("*.ndjson")
	f.expect("1", "2")
	f.stop()
	f.write("b.ndjson", "3\n")
	f.add("m.ndjson", "4\n")
	f.add("z.ndjson", "5\n6")
	f.start("*.ndjson")
	f.expect("3", "4", "5")
	f.stop()
	f.rename("m.ndjson", "m.ndjson.1") // the pattern does not find it any more
	f.add("m.ndjson.1", "7\n")
	f.add("z.ndjson", "6\n")
	f.start("*.ndjson")
	got := []string{<-f.got, <-f.got}
	slices.Sort(got)
	if got[0] != "66" || got[1] != "7" {
		t.Errorf("after a rotation while nobody looked: %q", got)
	}
	f.nothing()
}

// A log is rotated while its writer goes on: the renamed file is read to its end.
func TestRotation(t *testing.T) {
	f := follow(t)
	f.write("app.ndjson", "1\n")
	f.start("app.ndjson")
	f.expect("1")
	f.rename("app.ndjson", "app.ndjson.1")
	f.add("app.ndjson.1", "2\n")
	f.expect("2")
	f.write("app.ndjson", "3\n")
	f.expect("3")
	f.add("app.ndjson.1", "4\n") // its writer has it open still
	f.expect("4")
	f.add("app.ndjson", "5\n")
	f.expect("5")
	f.add("app.ndjson.1", "6")
	if err := os.Remove(f.path("app.ndjson.1")); err != nil {
		t.Fatal(err)
	}
	f.expect("6") // no line end comes any more
	if all, _ := f.left.Positions(); len(all) > 2 {
		t.Errorf("%d positions", len(all))
	}
}

func TestRotationWithinThePattern(t *testing.T) {
	f := follow(t)
	f.write("app.log.ndjson", "1\n")
	f.start("app*.ndjson")
	f.expect("1")
	f.rename("app.log.ndjson", "app.old.ndjson")
	f.write("app.log.ndjson", "2\n")
	f.expect("2")
	f.stop()
	f.rename("app.old.ndjson", "app.older.ndjson")
	f.rename("app.log.ndjson", "app.old.ndjson")
	f.write("app.log.ndjson", "3\n")
	f.start("app*.ndjson")
	f.expect("3")
	f.add("app.older.ndjson", "4\n")
	f.expect("4")
}

// The whole row of a csv file, whatever pieces it comes in, and the header of a
// file that is there without rows.
func TestHalfARowWaits(t *testing.T) {
	f := follow(t)
	f.write("m.csv", "id,amo")
	f.start("*.csv")
	f.add("m.csv", "unt\n1,10\n2,25")
	f.expect(`{"id":"1","amount":"10"}`)
	f.add("m.csv", "000\n3,1\n")
	f.expect(`{"id":"2","amount":"25000"}`, `{"id":"3","amount":"1"}`)
	f.stop()
	f.add("m.csv", "4,2\n")
	f.start("*.csv")
	f.expect(`{"id":"4","amount":"2"}`)
}

// A file whose content was changed before its place, without getting shorter.
func TestAFileThatIsWrittenAnew(t *testing.T) {
	f := follow(t)
	f.write("m.ndjson", "1\n2\n")
	f.start("*.ndjson")
	f.expect("1", "2")
	f.write("m.ndjson", "7\n8\n9\n")
	f.expect("7", "8", "9")
}

// More files than are kept open.
func TestManyFilesAreFollowed(t *testing.T) {
	f := follow(t)
	var want []string
	for i := range 300 {
		f.write(fmt.Sprintf("%03d.ndjson", i), fmt.Sprintf("%d\n", i))
		want = append(want, fmt.Sprint(i))
	}
	f.start("*.ndjson")
	f.expect(want...)
	for _, i := range []int{0, 150, 299} {
		f.add(fmt.Sprintf("%03d.ndjson", i), fmt.Sprintf("%d\n", 1000+i))
		f.expect(fmt.Sprint(1000 + i))
	}
}

// A folder that is not there yet, goes, and comes back.
func TestAFolderThatVanishes(t *testing.T) {
	f := follow(t)
	f.start("in/*.ndjson")
	if err := os.Mkdir(f.path("in"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.write("in/a.ndjson", "1\n")
	f.expect("1")
	f.rename("in", "gone")
	f.rename("gone", "in")
	f.add("in/a.ndjson", "2\n")
	f.expect("2")
}

// A compressed file is read when it is there, and what is added to it as well.
func TestACompressedFileIsFollowed(t *testing.T) {
	f := follow(t)
	f.start("*.gz")
	f.write("a.ndjson.gz", string(packed(t, "1\n2\n", "gzip")))
	f.expect("1", "2")
	f.add("a.ndjson.gz", string(packed(t, "3\n", "gzip")))
	f.expect("3")
}

// A record over the limit is told once, although its end comes later.
func TestALongLineIsToldOnce(t *testing.T) {
	f := follow(t)
	f.write("m.ndjson", "1\n"+strings.Repeat("x", 3<<20))
	f.start("*.ndjson")
	f.expect("1")
	if got := <-f.got; !strings.HasPrefix(got, "bad: xxx") {
		t.Errorf("%.20q", got)
	}
	f.add("m.ndjson", strings.Repeat("x", 1000))
	f.add("m.ndjson", "\n2\n")
	f.expect("2")
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/pipelines"
)

// progress shows how far runs are: bars on a terminal, and for everybody one
// line for each pipeline that ended.
type progress struct {
	out  io.Writer // where the lines go
	hard context.Context
	once *app.Once
	// mask hides secrets in what is printed.
	mask func(string) string

	mu   sync.Mutex
	pool *mpb.Progress // nil without a terminal
	both bool          // the lines go to that terminal too, above the bars
	bars map[string]*bar
}

// bar is what the terminal shows of one pipeline.
type bar struct {
	*mpb.Bar
	start time.Time
}

// newProgress returns the view of a run --once or an export. A line that nobody
// takes is left behind when hard ends.
func (a *cli) newProgress(hard context.Context, p *pipelines.Project, once *app.Once) *progress {
	v := &progress{out: a.stdout, hard: hard, once: once, mask: a.resolver.Masker.Mask, bars: map[string]*bar{}}
	if f, ok := terminal(a.stderr); ok {
		_, v.both = terminal(a.stdout)
		v.pool = mpb.New(mpb.WithOutput(f), mpb.WithWidth(24), mpb.WithRefreshRate(200*time.Millisecond))
		for _, d := range p.Pipelines {
			v.bars[d.Name] = v.newBar(d.Name)
		}
		once.Watch(v.update)
	}
	return v
}

// terminal returns w as the terminal that it is.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func (v *progress) newBar(name string) *bar {
	b := &bar{start: time.Now()}
	counts := func(decor.Statistics) string {
		c := v.once.Ledger(name).Counts()
		rate := float64(c.Read) / max(time.Since(b.start).Seconds(), 0.001)
		return fmt.Sprintf(" %d records, %s, %.0f/s", c.Read, size(c.Bytes), rate)
	}
	share := func(s decor.Statistics) string {
		if s.Total <= 0 || s.Current <= 0 {
			return ""
		}
		left := time.Duration(float64(time.Since(b.start)) * float64(s.Total-s.Current) / float64(s.Current))
		return fmt.Sprintf(" %3d%% %s left", 100*s.Current/s.Total, left.Round(time.Second))
	}
	b.Bar = v.pool.AddBar(0, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.Any(share), decor.Any(counts)))
	return b
}

func (v *progress) update(name string, p block.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	b := v.bars[name]
	if b == nil {
		return
	}
	if p.Total > 0 {
		// One more than there is keeps the bar until the run has ended.
		b.SetTotal(p.Total+1, false)
	}
	b.SetCurrent(min(p.Done, max(p.Total, p.Done)))
}

// Finished prints the line of a pipeline's run.
func (v *progress) Finished(name string, d time.Duration, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if b := v.bars[name]; b != nil {
		b.Abort(true)
		delete(v.bars, name)
	}
	failure := ""
	if err != nil {
		failure = v.mask(err.Error())
	}
	line := summary(name, v.once.Ledger(name).Counts(), d, failure) + "\n"
	if v.both {
		_, _ = v.pool.Write([]byte(line))
		return
	}
	v.print(line)
}

// print waits for a reader that has stopped to read only until hard ends.
func (v *progress) print(line string) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(v.out, line)
	}()
	select {
	case <-written:
	case <-v.hard.Done():
		select {
		case <-written:
		case <-time.After(lastWrite):
		}
	}
}

// lastWrite is how long the output may still take a line after a hard stop.
const lastWrite = 100 * time.Millisecond

// Close leaves the terminal as it was.
func (v *progress) Close() {
	if v.pool == nil {
		return
	}
	v.mu.Lock()
	for name, b := range v.bars {
		b.Abort(true)
		delete(v.bars, name)
	}
	v.mu.Unlock()
	v.pool.Wait()
}

package filesource

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats"
)

// file is a file that is being read.
type file struct {
	source   *source
	name     string
	part     string
	at       place // of the last position that was published; its Header is that of the content
	in       *input
	reader   *formats.Reader
	progress *progress // nil: nobody looks
	keeps    bool      // what was read is not read again by later runs
	follows  bool      // more may be added behind the end
}

// open opens a file at its place, or at its beginning when it is not the one
// that the place was in.
func (s *source) open(name string, start place) (*file, error) {
	f := &file{source: s, name: name, keeps: s.cfg.Take == TakeNew}
	if start.Header == nil && s.cfg.Format == formats.CSV && s.cfg.Header {
		start = place{} // the rows need their header
	}
	if err := f.openAt(start); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *file) openAt(start place) error {
	in, err := f.source.cfg.openInput(f.name)
	if err != nil {
		return &fileError{err}
	}
	if start.Offset > 0 {
		same, err := in.skip(start.Position)
		if err != nil {
			in.close()
			return &fileError{fmt.Errorf("%s: go to byte %d: %w", f.name, start.Offset, err)}
		}
		if !same {
			in.close()
			f.source.log.Warn("the file is not the one that was read before, or it is shorter now; it is read from its beginning",
				"file", f.name, "read_before", start.Offset, "size", in.info.Size())
			return f.openAt(place{})
		}
	}
	return f.begin(in, start)
}

// begin makes the reader of an input that stands at start.
func (f *file) begin(in *input, start place) error {
	f.in, f.part = in, partOf(f.name, in.info)
	f.at = place{File: f.name, ID: identity(in.info), Position: start.Position, Header: start.Header, Followed: f.keeps}
	reader, err := f.source.cfg.Reader(formats.Stream{
		Name: f.name, Src: in, Fill: true, Header: start.Header, Start: start.Position,
		GoesOn: f.follows || f.source.cfg.Take == TakeNew && !in.packed,
		Size:   f.size(start),
		Named:  func(columns []string) { f.at.Header = columns },
		Place:  f.place,
		Warn:   func(message string) { f.source.log.Warn(message, "file", f.name) },
		Read: func(int64) {
			if f.progress != nil {
				f.progress.add(f.name, in.stored.n.Load())
			}
		},
	})
	if err != nil {
		in.close()
		return &fileError{err}
	}
	f.reader = reader
	return nil
}

// size is what is left to read of a plain file.
func (f *file) size(start place) int64 {
	if f.in.packed {
		return 0
	}
	return f.in.info.Size() - start.Offset
}

func (f *file) place(at formats.Position) connector.Position {
	p := f.at
	p.Position = at
	return p.position(f.part)
}

func (f *file) close() {
	if f.in != nil {
		f.in.close()
	}
}

// renamed moves a position that is stored under another part: the file was
// copied, or its device has another number since.
func (f *file) renamed(ctx context.Context, was string, out connector.Output) error {
	if was == "" || was == f.part {
		return nil
	}
	return out.Publish(ctx, connector.Batch{After: connector.Position{Part: was}})
}

// read publishes what there is. What is wrong with the content is a fileError.
func (f *file) read(ctx context.Context, out connector.Output) error {
	o := &marked{out: out}
	err := f.reader.Read(ctx, o)
	if err == nil || o.err != nil {
		return err
	}
	return &fileError{err}
}

// marked remembers whether it was the output that refused, and not the input
// that could not be read.
type marked struct {
	out connector.Output
	err error
}

func (m *marked) Publish(ctx context.Context, b connector.Batch) error {
	m.err = m.out.Publish(ctx, b)
	return m.err
}

func (m *marked) Flush() { m.out.Flush() }

// end publishes the place of a file that was read to its end, so that it need
// not be opened again until it changes. An unfinished last line waits for its
// end when waits is set.
func (f *file) end(ctx context.Context, out connector.Output, waits bool) error {
	info, err := f.in.file.Stat()
	if err != nil {
		return &fileError{fmt.Errorf("read %s: %w", f.name, err)}
	}
	if n := f.in.stored.n.Load(); !f.in.packed && info.Size() < n {
		return &fileError{connector.Errorf(connector.Invalid, "%s: it became shorter while it was read, %d bytes of %d; what was there is not known any more", f.name, info.Size(), n)}
	}
	if n := f.reader.Waiting(); n > 0 && waits {
		f.source.log.Warn("the last line has no end yet; it is read when its line end is there", "file", f.name, "bytes", n)
		return nil
	}
	return f.ended(ctx, out, info)
}

func (f *file) ended(ctx context.Context, out connector.Output, info fs.FileInfo) error {
	p := f.at
	p.Position = f.reader.Position()
	// Only what was there when reading ended: a file that grew since is opened again.
	if f.in.packed || p.Offset >= info.Size() {
		p.Size, p.Changed = info.Size(), info.ModTime().UnixNano()
	}
	if p.Size == 0 {
		return nil
	}
	return out.Publish(ctx, connector.Batch{After: p.position(f.part)})
}

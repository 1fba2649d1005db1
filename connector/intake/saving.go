package intake

import (
	"time"
)

// saver stores positions while the source is read.
type saver struct {
	in     *intake
	ending chan struct{}
	ended  chan struct{}
	err    error // of the last attempt
}

func (in *intake) startSaving() *saver {
	s := &saver{in: in, ending: make(chan struct{}), ended: make(chan struct{})}
	if in.cfg.Positions == nil {
		close(s.ended)
		return s
	}
	go s.run()
	return s
}

// stop stores what is left and returns why that was not possible.
func (s *saver) stop() error {
	close(s.ending)
	<-s.ended
	if s.in.cfg.Positions != nil {
		s.err = s.in.save()
	}
	return s.err
}

// run saves now and then. When that fails a stream ends, for it might go on for
// ever without a position; a run that ends goes on, says so at its end, and
// tries again until then.
func (s *saver) run() {
	defer close(s.ended)
	ticker := time.NewTicker(SaveEvery)
	defer ticker.Stop()
	told := false
	for {
		select {
		case <-s.ending:
			return
		case <-ticker.C:
		}
		err := s.in.save()
		switch {
		case err == nil:
			told = false
		case s.in.cfg.Stream:
			s.in.cancel(&failure{err})
			return
		case !told:
			told = true
			s.in.cfg.Log.Warn("the position cannot be stored; if the process dies now, what was delivered is delivered again", "error", err)
		}
	}
}

// save stores the positions that moved. Parts with nothing under way are
// forgotten here: they come back with their next batch.
func (in *intake) save() error {
	in.mu.Lock()
	changed := make(map[string][]byte, len(in.moved))
	for name := range in.moved {
		at, _ := in.parts[name].mark.Position()
		changed[name] = at
	}
	clear(in.moved)
	in.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	err := in.cfg.Positions.Save(changed)
	in.mu.Lock()
	defer in.mu.Unlock()
	for name := range changed {
		_, again := in.moved[name]
		switch p := in.parts[name]; {
		case err != nil:
			in.moved[name] = struct{}{}
		case !again && p.mark.Idle():
			delete(in.parts, name)
		}
	}
	return err
}

package pipelines

import (
	"errors"

	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/state"
)

// RecordError says that a run delivered everything, and that only its record
// could not be stored: the records must not be sent again because of it.
type RecordError struct{ Err error }

// Error implements error.
func (e *RecordError) Error() string {
	return "the run was delivered; its record could not be stored: " + e.Err.Error()
}

// Unwrap returns Err.
func (e *RecordError) Unwrap() error { return e.Err }

// Delivered reports whether the run that ended with err delivered everything:
// it had no error, or only the state could not take note of it. Such a run is
// not tried again.
func Delivered(err error) bool {
	switch e := err.(type) {
	case nil, *intake.StoreError, *RecordError:
		return true
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if !Delivered(one) {
				return false
			}
		}
		return true
	default:
		inner := errors.Unwrap(err)
		return inner != nil && Delivered(inner)
	}
}

// record stores the record of a run that ended with err, and returns what the
// run ends with then.
func (s *Supervisor) record(d *Definition, r state.Run, err error) error {
	stored := s.State.PutRun(r)
	switch {
	case stored == nil:
		return err
	case errors.Is(stored, state.ErrHeld) && !d.NeedsState():
		s.Log.Info("no record of this run is kept", "pipeline", d.Name, "reason", stored)
		return err
	case r.Outcome != state.Interrupted && Delivered(err):
		err = &RecordError{stored}
		s.Log.Error("the run is not tried again", "pipeline", d.Name, "error", err)
		return err
	}
	s.Log.Error("store the run's record", "pipeline", d.Name, "error", stored)
	return errors.Join(err, stored)
}

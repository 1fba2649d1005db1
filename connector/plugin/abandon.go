package plugin

// Abandoner is a sink whose output is finished by Close. Abandon, called
// before Close when the run is not complete, makes Close leave the output
// unfinished, so that the run which goes on from the checkpoint adds to it.
type Abandoner interface {
	Abandon()
}

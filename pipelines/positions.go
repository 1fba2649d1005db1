package pipelines

import "github.com/headrace/headrace/connector/state"

// positions are those of one block in the state.
type positions struct {
	state           state.Store
	pipeline, block string
}

// Positions implements intake.Positions.
func (p positions) Positions() (map[string][]byte, error) {
	return p.state.Positions(p.pipeline, p.block)
}

// Save implements intake.Positions.
func (p positions) Save(changed map[string][]byte) error {
	return p.state.SavePositions(p.pipeline, p.block, changed)
}

// Clear implements intake.Positions.
func (p positions) Clear() error { return p.state.ClearPositions(p.pipeline, p.block) }

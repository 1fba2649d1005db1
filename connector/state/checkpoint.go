package state

import (
	"context"

	"github.com/headrace/headrace/connector/plugin"
)

// Checkpoint returns where the position of a block that has no parts is kept.
func (f *File) Checkpoint(pipeline, block string) plugin.Checkpoint {
	return &checkpoint{f, pipeline, block}
}

type checkpoint struct {
	store           Positions
	pipeline, block string
}

// Load implements plugin.Checkpoint.
func (c *checkpoint) Load(context.Context) ([]byte, error) {
	parts, err := c.store.Positions(c.pipeline, c.block)
	return parts[""], err
}

// Save implements plugin.Checkpoint.
func (c *checkpoint) Save(_ context.Context, position []byte) error {
	return c.store.SavePositions(c.pipeline, c.block, map[string][]byte{"": position})
}

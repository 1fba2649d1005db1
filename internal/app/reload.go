package app

import (
	"errors"
	"slices"
)

// Changes is what a Reload did.
type Changes struct {
	Started, Kept, Stopped int      // pipelines
	Clusters               []string // of HTTP, that were opened anew
	Door                   bool     // the REST proxy was replaced; its consumers have ended
	URL                    string   // of the server, when that is another one
	// Restart are the keys whose change waits for a restart.
	Restart []string
}

// Reload makes everything as s says, which must be usable, and leaves alone what
// is the same: pipelines by name, clusters by their settings, the listener by
// its address. New requests meet the new settings at once and those under way
// end with the old ones. After an error everything is as it was.
func (d *Daemon) Reload(s *Settings) (Changes, error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	if err := d.openState(s); err != nil {
		return Changes{}, err
	}
	changes, err := d.reloadHTTP(s)
	if err != nil {
		return Changes{}, err
	}
	changes.Started, changes.Kept, changes.Stopped = d.pipelines.Apply(s.Project)
	if s.Project.StateDir() != d.state.Dir() {
		changes.Restart = append(changes.Restart, "state.path")
	}
	d.settings = s
	return changes, nil
}

// reloadHTTP replaces the door, its settings and the listener in one step.
func (d *Daemon) reloadHTTP(s *Settings) (changes Changes, err error) {
	before, old := d.server.URL(), d.door.Load()
	change, err := d.server.Change(s.HTTP.Config)
	if err != nil {
		return changes, err
	}
	next, err := d.openDoor(s, change, old)
	if err != nil {
		return changes, errors.Join(err, change.Cancel())
	}
	ended, err := change.Apply(next.tables())
	if err != nil {
		return changes, errors.Join(err, next.close(d.env.Hard, old))
	}
	if url := d.server.URL(); url != before {
		changes.URL = url
	}
	if next == old {
		return changes, nil
	}
	d.door.Store(next)
	changes.Door = next.rest != old.rest
	for _, c := range next.clusters {
		if !slices.Contains(old.clusters, c) {
			changes.Clusters = append(changes.Clusters, c.name)
		}
	}
	d.leaving.Go(func() {
		<-ended
		if err := old.close(d.env.Hard, next); err != nil {
			d.env.Log.Error("close what was replaced by the reload", "error", err)
		}
	})
	return changes, nil
}

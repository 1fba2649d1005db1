package exporter

import "github.com/headrace/headrace/connector/plugin"

// Abandon says that the run is not complete: a sink whose output is finished by
// Close leaves it for the run that goes on; see plugin.Abandoner.
func (e *Exporter) Abandon() {
	if a, ok := e.sink.(plugin.Abandoner); ok {
		a.Abandon()
	}
}

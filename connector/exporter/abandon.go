package exporter

import "github.com/headrace/headrace/connector"

// Abandon says that the run is not complete: a sink whose output is finished by
// Close leaves it for the run that goes on; see connector.Abandoner.
func (e *Exporter) Abandon() {
	if a, ok := e.sink.(connector.Abandoner); ok {
		a.Abandon()
	}
}

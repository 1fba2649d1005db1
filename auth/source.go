package auth

import (
	"log/slog"

	"github.com/headrace/headrace/connector"
)

// Given are the ways in which settings give an access token; the first that is
// given counts.
type Given struct {
	Ready connector.Secret // a ready-made token
	File  string           // one that something else keeps fresh
	OAuth *OAuthSettings   // a token endpoint
}

// Open returns the source of the tokens, and cached when it is one that renews
// them and must be closed. Both are nil when nothing is given. name is the label
// "source" of its metrics.
func (g Given) Open(name string, log *slog.Logger) (src TokenSource, cached *Cached) {
	switch {
	case g.Ready != "":
		return Static(g.Ready), nil
	case g.File != "":
		return File(g.File), nil
	case g.OAuth == nil || g.OAuth.TokenURL == "":
		return nil, nil
	}
	cached = NewCached(NewOAuth(g.OAuth.Config()), CacheOptions{Name: name, RefreshBefore: g.OAuth.Before(), Endpoint: g.OAuth.TokenURL, Log: log})
	return cached, cached
}

package embedded

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Realm is what the issuer needs of a Keycloak realm. The JSON names are those
// of a realm export, of which the rest is left alone.
type Realm struct {
	Name           string   `json:"realm"`
	TokenLifespan  int      `json:"accessTokenLifespan"` // seconds; 0 means 300
	Clients        []Client `json:"clients"`
	ClientScopes   []Scope  `json:"clientScopes"`
	DefaultScopes  []string `json:"defaultDefaultClientScopes"`
	OptionalScopes []string `json:"defaultOptionalClientScopes"`
	Users          []User   `json:"users"`
}

// Client is one client of a realm.
type Client struct {
	ID             string            `json:"clientId"`
	Secret         string            `json:"secret"`
	Enabled        *bool             `json:"enabled"` // default true
	Public         bool              `json:"publicClient"`
	Authenticator  string            `json:"clientAuthenticatorType"` // client-secret or client-jwt
	ServiceAccount bool              `json:"serviceAccountsEnabled"`  // client_credentials
	PasswordGrant  bool              `json:"directAccessGrantsEnabled"`
	Mappers        []Mapper          `json:"protocolMappers"`
	DefaultScopes  []string          `json:"defaultClientScopes"`
	OptionalScopes []string          `json:"optionalClientScopes"`
	Attributes     map[string]string `json:"attributes"` // access.token.lifespan, jwks.string, jwt.credential.certificate, …
}

// Scope is a client scope: mappers that tokens with the scope pass through.
type Scope struct {
	Name       string            `json:"name"`
	Mappers    []Mapper          `json:"protocolMappers"`
	Attributes map[string]string `json:"attributes"`
}

// Mapper puts claims into tokens. Known are oidc-audience-mapper,
// oidc-hardcoded-claim-mapper and oidc-usermodel-realm-role-mapper.
type Mapper struct {
	Name   string            `json:"name"`
	Kind   string            `json:"protocolMapper"`
	Config map[string]string `json:"config"`
}

// User is a user, or the service account of a client.
type User struct {
	ID               string              `json:"id"`
	Name             string              `json:"username"`
	Email            string              `json:"email"`
	Enabled          *bool               `json:"enabled"`
	ServiceAccountOf string              `json:"serviceAccountClientId"`
	RealmRoles       []string            `json:"realmRoles"`
	ClientRoles      map[string][]string `json:"clientRoles"`
	Credentials      []Credential        `json:"credentials"`
}

// Credential is a password: its text, or a hash by PBKDF2.
type Credential struct {
	Type           string `json:"type"`
	Value          string `json:"value"`
	SecretData     string `json:"secretData"`
	CredentialData string `json:"credentialData"`
}

const maxRealm = 16 << 20

// ReadRealm reads a Keycloak realm export. Client secrets that the export hides
// are an error: nobody could log in with them.
func ReadRealm(r io.Reader) (*Realm, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxRealm+1))
	if err != nil {
		return nil, fmt.Errorf("reading the realm export: %w", err)
	}
	if len(content) > maxRealm {
		return nil, fmt.Errorf("reading the realm export: larger than %d bytes", maxRealm)
	}
	var realm Realm
	if err := json.Unmarshal(content, &realm); err != nil {
		return nil, fmt.Errorf("reading the realm export: %w", err)
	}
	if err := realm.check(); err != nil {
		return nil, fmt.Errorf("reading the realm export: %w", err)
	}
	return &realm, nil
}

func (r *Realm) check() error {
	if r.Name == "" || strings.ContainsAny(r.Name, "/?#%") {
		return fmt.Errorf("the realm needs a name without / ? # %%")
	}
	seen := make(map[string]bool)
	for _, c := range r.Clients {
		switch {
		case c.ID == "":
			return fmt.Errorf("a client has no clientId")
		case seen[c.ID]:
			return fmt.Errorf("client %s is there twice", c.ID)
		case c.Secret != "" && strings.Trim(c.Secret, "*") == "":
			return fmt.Errorf("the secret of client %s is hidden; export the realm with kc.sh export", c.ID)
		}
		seen[c.ID] = true
	}
	return nil
}

// DefaultRealm is the realm of "headrace dev": clients exporter, gateway and
// app, whose secrets are their names with "-secret", and the user alice with
// the password alice-secret.
func DefaultRealm() *Realm {
	audience := func(name string) []Mapper {
		return []Mapper{{Name: "aud-" + name, Kind: audienceMapper, Config: map[string]string{
			"included.custom.audience": name, "access.token.claim": "true",
		}}}
	}
	client := func(id, to string) Client {
		return Client{ID: id, Secret: id + "-secret", ServiceAccount: true, Mappers: audience(to)}
	}
	app := client("app", "gateway")
	app.PasswordGrant = true
	return &Realm{
		Name:    "headrace",
		Clients: []Client{client("exporter", "kafka"), client("gateway", "kafka"), app},
		Users:   []User{{Name: "alice", Credentials: []Credential{{Type: "password", Value: "alice-secret"}}}},
	}
}

func on(enabled *bool) bool { return enabled == nil || *enabled }

func (r *Realm) client(id string) *Client {
	for i := range r.Clients {
		if r.Clients[i].ID == id && on(r.Clients[i].Enabled) {
			return &r.Clients[i]
		}
	}
	return nil
}

func (r *Realm) user(name string) *User {
	for i := range r.Users {
		if strings.EqualFold(r.Users[i].Name, name) && on(r.Users[i].Enabled) && r.Users[i].ServiceAccountOf == "" {
			return &r.Users[i]
		}
	}
	return nil
}

// serviceAccount returns the user that stands for a client. Keycloak makes one
// if the export has none.
func (r *Realm) serviceAccount(c *Client) *User {
	for i := range r.Users {
		if r.Users[i].ServiceAccountOf == c.ID {
			return &r.Users[i]
		}
	}
	return &User{Name: "service-account-" + strings.ToLower(c.ID)}
}

// lifespan is how long a token of the client lives.
func (r *Realm) lifespan(c *Client) time.Duration {
	seconds := r.TokenLifespan
	if own, err := strconv.Atoi(c.Attributes["access.token.lifespan"]); err == nil && own > 0 {
		seconds = own
	}
	if seconds <= 0 {
		seconds = 300
	}
	return time.Duration(seconds) * time.Second
}

// ServiceAccountFor is the first client with a secret and a service account
// whose tokens are for the audience, or else the first of all; nil without any.
func (r *Realm) ServiceAccountFor(audience string) (found *Client) {
	for i := range r.Clients {
		c := &r.Clients[i]
		if !c.ServiceAccount || c.Secret == "" || c.Enabled != nil && !*c.Enabled {
			continue
		}
		scopes, _ := r.scopes(c, nil)
		if slices.Contains(audienceOf(r.claims(c, r.serviceAccount(c), scopes)), audience) {
			return c
		}
		if found == nil {
			found = c
		}
	}
	return found
}

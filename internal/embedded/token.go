package embedded

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	grantClient   = "client_credentials"
	grantPassword = "password"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"

	maxForm = 64 << 10
)

// oauthError is an error answer (RFC 6749 5.2) in Keycloak's words.
type oauthError struct {
	status            int
	code, description string
}

func refused(status int, code, description string) *oauthError {
	return &oauthError{status, code, description}
}

// token serves the token endpoint.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.requests.Add(1)
	faults := *i.faults.Load()
	if faults.Delay > 0 {
		wait := time.NewTimer(faults.Delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return
		case <-i.ctx.Done():
			return
		}
	}
	if faults.ServerError {
		reply(w, http.StatusInternalServerError, map[string]any{"error": "unknown_error"})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	var body map[string]any
	problem := refused(http.StatusBadRequest, "invalid_request", "cannot read the form")
	if r.ParseForm() == nil {
		body, problem = i.grant(r, faults)
	}
	if problem != nil {
		reply(w, problem.status, map[string]any{"error": problem.code, "error_description": problem.description})
		return
	}
	reply(w, http.StatusOK, body)
}

func (i *Issuer) grant(r *http.Request, faults Faults) (map[string]any, *oauthError) {
	client, problem := i.authenticate(r)
	if problem != nil {
		return nil, problem
	}
	scopes, unknown := i.realm.scopes(client, strings.Fields(r.PostForm.Get("scope")))
	if len(unknown) > 0 {
		return nil, refused(http.StatusBadRequest, "invalid_scope", "Invalid scopes: "+r.PostForm.Get("scope"))
	}
	var claims map[string]any
	switch r.PostForm.Get("grant_type") {
	case grantClient:
		claims, problem = i.clientCredentials(client, scopes)
	case grantPassword:
		claims, problem = i.password(client, r, scopes)
	case grantExchange:
		claims, problem = i.exchange(client, r, scopes)
	case "":
		problem = refused(http.StatusBadRequest, "invalid_request", "Missing form parameter: grant_type")
	default:
		problem = refused(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant_type")
	}
	if problem != nil {
		return nil, problem
	}
	body, err := i.issue(client, claims, faults)
	if err != nil {
		return nil, refused(http.StatusInternalServerError, "unknown_error", "cannot sign the token")
	}
	if r.PostForm.Get("grant_type") == grantExchange {
		body["issued_token_type"] = typeAccessToken
	}
	return body, nil
}

// issue signs the token, with the faults that are switched on.
func (i *Issuer) issue(client *Client, claims map[string]any, faults Faults) (map[string]any, error) {
	now, life := time.Now(), i.realm.lifespan(client)
	if faults.Expired {
		now = now.Add(-life - time.Hour)
	}
	if faults.WrongAudience {
		claims["aud"] = "somebody-else"
	}
	claims["iss"] = i.URL()
	claims["iat"], claims["exp"] = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(life))
	claims["jti"] = rand.Text()
	token, err := i.keys.sign(claims, faults.UnknownKey)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int(life.Seconds()),
		"refresh_expires_in": 0, "not-before-policy": 0, "scope": claims["scope"],
	}, nil
}

func (i *Issuer) clientCredentials(client *Client, scopes []string) (map[string]any, *oauthError) {
	if client.Public {
		return nil, refused(http.StatusUnauthorized, "unauthorized_client", "Public client not allowed to retrieve service account")
	}
	if !client.ServiceAccount {
		return nil, refused(http.StatusUnauthorized, "unauthorized_client", "Client not enabled to retrieve service account")
	}
	claims := i.realm.claims(client, i.realm.serviceAccount(client), scopes)
	claims["client_id"] = client.ID
	return claims, nil
}

func (i *Issuer) password(client *Client, r *http.Request, scopes []string) (map[string]any, *oauthError) {
	if !client.PasswordGrant {
		return nil, refused(http.StatusBadRequest, "unauthorized_client", "Client not allowed for direct access grants")
	}
	user := i.realm.user(r.PostForm.Get("username"))
	if user == nil || !user.knows(r.PostForm.Get("password")) {
		return nil, refused(http.StatusBadRequest, "invalid_grant", "Invalid user credentials")
	}
	return i.realm.claims(client, user, scopes), nil
}

// exchange turns a user's token into one for the client that presents it
// (RFC 8693). As in Keycloak, the token must have been issued to the client or
// for it, and the audiences to ask for are those that the client's own tokens
// have.
func (i *Issuer) exchange(client *Client, r *http.Request, scopes []string) (map[string]any, *oauthError) {
	if client.Public || client.Attributes["standard.token.exchange.enabled"] == "false" {
		return nil, refused(http.StatusForbidden, "access_denied", "Standard token exchange is not enabled for the requested client")
	}
	for _, name := range []string{"subject_token_type", "requested_token_type"} {
		switch kind := r.PostForm.Get(name); {
		case kind == typeAccessToken || kind == typeJWT:
		case kind == "" && name == "requested_token_type":
		default:
			return nil, refused(http.StatusBadRequest, "invalid_request", name+" is not supported")
		}
	}
	subject, all, err := i.keys.verify(r.PostForm.Get("subject_token"))
	if err != nil || subject.ValidateWithLeeway(jwt.Expected{Issuer: i.URL(), Time: time.Now()}, 0) != nil {
		return nil, refused(http.StatusBadRequest, "invalid_request", "Invalid token")
	}
	if !slices.Contains(subject.Audience, client.ID) && all["azp"] != client.ID {
		return nil, refused(http.StatusForbidden, "access_denied", "Client is not within the token audience")
	}
	name, _ := all["preferred_username"].(string)
	claims := i.realm.claims(client, i.realm.anyone(name), scopes)
	if asked := r.PostForm["audience"]; len(asked) > 0 {
		for _, a := range asked {
			if !slices.Contains(audienceOf(claims), a) {
				return nil, refused(http.StatusBadRequest, "invalid_request", "Requested audience not available: "+a)
			}
		}
		setAudience(claims, asked)
	}
	return claims, nil
}

// anyone returns the user or service account of a name.
func (r *Realm) anyone(name string) *User {
	for i := range r.Users {
		if strings.EqualFold(r.Users[i].Name, name) {
			return &r.Users[i]
		}
	}
	return &User{Name: name}
}

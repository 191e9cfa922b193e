package keycloak

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// keyProvider is the type of the components that hold a realm's keys.
const keyProvider = "org.keycloak.keys.KeyProvider"

// SigningKey is a key of a realm. The active one with the highest priority signs.
type SigningKey struct {
	realm     *Realm
	component string
	// ID is the kid of the tokens that it signs.
	ID string
}

// AddKey makes a new RSA key that signs from now on: its priority is above all others.
func (r *Realm) AddKey(ctx context.Context, priority int) (*SigningKey, error) {
	var realm struct {
		ID string `json:"id"`
	}
	if err := r.instance.admin(ctx, http.MethodGet, r.path(""), nil, &realm); err != nil {
		return nil, err
	}
	name := "rsa-" + strconv.Itoa(priority)
	err := r.instance.admin(ctx, http.MethodPost, r.path("/components"), object{
		"name": name, "parentId": realm.ID, "providerId": "rsa-generated", "providerType": keyProvider,
		"config": object{
			"priority": []string{strconv.Itoa(priority)}, "enabled": []string{"true"}, "active": []string{"true"},
			"algorithm": []string{"RS256"}, "keySize": []string{"2048"},
		},
	}, nil)
	if err != nil {
		return nil, err
	}
	return r.CurrentKey(ctx)
}

// CurrentKey is the key that signs access tokens now.
func (r *Realm) CurrentKey(ctx context.Context) (*SigningKey, error) {
	var keys struct {
		Active map[string]string `json:"active"`
		Keys   []struct {
			ID        string `json:"kid"`
			Component string `json:"providerId"`
		} `json:"keys"`
	}
	if err := r.instance.admin(ctx, http.MethodGet, r.path("/keys"), nil, &keys); err != nil {
		return nil, err
	}
	for _, key := range keys.Keys {
		if key.ID == keys.Active["RS256"] {
			return &SigningKey{realm: r, component: key.Component, ID: key.ID}, nil
		}
	}
	return nil, errors.New("keycloak: the realm has no active key for RS256")
}

// MakePassive stops signing with the key, which stays published.
func (k *SigningKey) MakePassive(ctx context.Context) error {
	var component object
	if err := k.realm.instance.admin(ctx, http.MethodGet, k.path(), nil, &component); err != nil {
		return err
	}
	config, ok := component["config"].(object)
	if !ok {
		return fmt.Errorf("keycloak: the component of key %s has no config", k.ID)
	}
	config["active"] = []string{"false"}
	return k.realm.instance.admin(ctx, http.MethodPut, k.path(), component, nil)
}

// Remove deletes the key, and returns when the realm's key set is without it.
func (k *SigningKey) Remove(ctx context.Context) error {
	if err := k.realm.instance.admin(ctx, http.MethodDelete, k.path(), nil, nil); err != nil {
		return err
	}
	published, err := k.realm.publishedKeys(ctx)
	if err == nil && slices.Contains(published, k.ID) {
		return fmt.Errorf("keycloak: key %s is still published", k.ID)
	}
	return err
}

func (k *SigningKey) path() string { return k.realm.path("/components/" + url.PathEscape(k.component)) }

// KeySetURL is the address of the realm's key set.
func (r *Realm) KeySetURL() string { return r.Issuer() + "/protocol/openid-connect/certs" }

func (r *Realm) publishedKeys(ctx context.Context) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.KeySetURL(), nil)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := r.instance.send(request, &set); err != nil {
		return nil, err
	}
	var ids []string
	for _, key := range set.Keys {
		ids = append(ids, key.ID)
	}
	return ids, nil
}

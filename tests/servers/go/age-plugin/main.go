// age-plugin-bridgetest is an age plugin with keys of its own, made with age's framework for plugins. With -new it
// prints an identity and its recipient. The stanza has a one-time key, and the file key under what both keys share.
package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"log"
	"os"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

const name = "bridgetest"

type recipient struct{ key *ecdh.PublicKey }

func (r *recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	once, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	aead, err := shared(once, r.key)
	if err != nil {
		return nil, err
	}
	public := base64.RawStdEncoding.EncodeToString(once.PublicKey().Bytes())
	return []*age.Stanza{{Type: name, Args: []string{public}, Body: aead.Seal(nil, nil, fileKey, nil)}}, nil
}

type identity struct{ key *ecdh.PrivateKey }

func (i *identity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, stanza := range stanzas {
		if stanza.Type != name || len(stanza.Args) != 1 {
			continue
		}
		public, err := base64.RawStdEncoding.DecodeString(stanza.Args[0])
		if err != nil {
			return nil, err
		}
		once, err := ecdh.X25519().NewPublicKey(public)
		if err != nil {
			return nil, err
		}
		aead, err := shared(i.key, once)
		if err != nil {
			return nil, err
		}
		if fileKey, err := aead.Open(nil, nil, stanza.Body, nil); err == nil {
			return fileKey, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// shared returns the cipher for one file key.
func shared(private *ecdh.PrivateKey, public *ecdh.PublicKey) (cipher.AEAD, error) {
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(secret)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func main() {
	p, err := plugin.New(name)
	if err != nil {
		log.Fatal(err)
	}
	p.RegisterFlags(nil)
	fresh := flag.Bool("new", false, "print a new identity and its recipient")
	flag.Parse()
	if *fresh {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(plugin.EncodeIdentity(name, key.Bytes()))
		fmt.Println(plugin.EncodeRecipient(name, key.PublicKey().Bytes()))
		return
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) {
		key, err := ecdh.X25519().NewPublicKey(data)
		return &recipient{key}, err
	})
	p.HandleIdentity(func(data []byte) (age.Identity, error) {
		key, err := ecdh.X25519().NewPrivateKey(data)
		return &identity{key}, err
	})
	os.Exit(p.Main())
}

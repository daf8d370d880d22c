//! What an auditor reads: checkpoints, tiles, keys, receipts, with the bytes and types that C2SP says.

use proofs::hash::leaf_hash;
use proofs::tile::{bundle_decode, tile_decode};

use crate::world::{Who, World};

#[tokio::test]
async fn a_log_is_served_as_c2sp_says() {
    for world in World::both().await {
        let mut entries = Vec::new();
        for number in 0..300 {
            entries
                .push(serde_json::json!({ "type": "issued", "body": world.body(&format!("A{number:03}")) }));
        }
        world.post(Who::System, "/v1/registers/permits/entries", entries.into()).await.expect(201);
        let base = "/v1/registers/permits";
        let get = async |path: &str| world.get(Who::Anyone, &format!("{base}/{path}")).await;
        let checkpoint = get("checkpoint").await;
        assert_eq!(checkpoint.header("content-type"), "text/plain; charset=utf-8");
        let key = get("key").await.text().trim_end().parse().expect("a verifier key");
        let head = proofs::checkpoint::open(checkpoint.text(), &key).expect("the checkpoint is signed");
        assert_eq!(head.size, 300);
        let full = get("tile/0/000").await;
        assert_eq!((full.status.as_u16(), full.bytes.len()), (200, 8192));
        assert_eq!(full.header("content-type"), "application/octet-stream");
        assert!(full.header("cache-control").contains("immutable"));
        let part = get("tile/0/001.p/44").await;
        assert!(!part.header("cache-control").contains("immutable"));
        let mut hashes = tile_decode(&full.bytes).expect("a tile");
        hashes.extend(tile_decode(&part.bytes).expect("a tile"));
        let mut leaves = bundle_decode(&get("tile/entries/000").await.bytes).expect("a bundle");
        leaves.extend(bundle_decode(&get("tile/entries/001.p/44").await.bytes).expect("a bundle"));
        let computed: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        assert_eq!(computed, hashes);
        let mut frontier = proofs::merkle::Frontier::new();
        for hash in hashes {
            frontier.push(hash);
        }
        assert_eq!(frontier.root(), head.root);
        for absent in [
            "tile/0/001",
            "tile/0/001.p/45",
            "tile/9/000",
            "tile/0/1",
            "tile/entries/002.p/1",
            "tile/x",
            "tile/0/000.p/0",
        ] {
            assert_eq!(get(absent).await.problem(404).0, "not-found", "{absent}");
        }
        let receipt = get("entries/299/receipt").await.expect(200);
        let headers = [("accept", "text/plain")];
        let proof =
            world.send(Who::Anyone, "GET", &format!("{base}/entries/299/receipt"), &headers, None).await;
        assert_eq!(receipt["proof"], proof.text());
        assert!(proof.text().starts_with("c2sp.org/tlog-proof@v1\n"));
        assert!(receipt["body"].is_null() && receipt["salt"].is_null());
        for absent in ["entries/300", "entries/300/receipt", "entries/-1", "entries/x/receipt"] {
            assert_eq!(get(absent).await.problem(404).0, "not-found", "{absent}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn keys_in_force_are_a_jwk_set() {
    for world in World::both().await {
        let answer = world.get(Who::Anyone, "/v1/departments/roads/keys").await;
        assert_eq!(answer.header("content-type"), "application/jwk-set+json");
        let set = answer.expect(200);
        let key = &set["keys"][0];
        assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
        assert!(key.get("d").is_none(), "no private key");
        let department = world.get(Who::Anyone, "/v1/departments/roads").await.expect(200);
        assert_eq!(department["keys"][0]["kid"], key["kid"]);
        let list = world.get(Who::Anyone, "/v1/departments").await.expect(200);
        assert_eq!(list["items"].as_array().map(Vec::len), Some(3));
        assert!(list["next"].is_null());
        world.end().await;
    }
}

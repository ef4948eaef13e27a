//! Services as the command line shows them.

use super::super::output::{row, thing};
use crate::features::services::{RemovedService, Service, ServiceInstance};

row! { it: Service, it.name;
    text "name": it.name,
    text "version": it.version,
    text "scope": it.scope.as_str(),
    text "health": it.health.as_str(),
    text "instances": format!("{}/{}", it.healthy_count, it.instance_count),
    text "permission": it.permission,
    text "timeout": format!("{} ms", it.timeout_ms),
    sentences "description": it.description,
}

thing! { it: Service, it.name;
    "name": it.name,
    "version": it.version.to_string(),
    "scope": it.scope.as_str(),
    "permission": it.permission,
    "description": it.description,
    "timeout": format!("{} ms", it.timeout_ms),
    "health": it.health.as_str(),
    "instances": format!("{}/{}", it.healthy_count, it.instance_count),
    "addresses": addresses(it.instances.as_deref().unwrap_or_default()),
    "created_by": it.created_by,
    "created_at": it.created_at,
    "updated_at": it.updated_at,
}

thing! { it: RemovedService, it.name;
    "name": it.name,
    "versions": it.versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    "urls": it.urls.join(","),
}

fn addresses(instances: &[ServiceInstance]) -> String {
    let each = instances.iter().map(|it| format!("{} ({})", it.url, it.health.as_str()));
    each.collect::<Vec<_>>().join(", ")
}

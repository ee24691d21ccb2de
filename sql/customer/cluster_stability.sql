-- One row per set of features: how many customers changed their cluster since the release before. Compared are
-- customers who had a cluster then and have one now; a release that is the first, or comes after one with a
-- single cluster for all, compares nobody. Who is held would have gone to a nearer centre, but for
-- `core.parameters.cluster_switch_ratio`: moved and held together are what would flap without that rule.
with members as (
    select
        c.feature_set,
        c.previous_cluster,
        c.has_moved,
        c.is_held
    from customer.clusters as c
),

counted as (
    select
        m.feature_set,
        count(*) as customers,
        count(m.previous_cluster) as compared_customers,
        count(*) filter (where m.has_moved) as moved_customers,
        count(*) filter (where m.is_held) as held_customers
    from members as m
    group by m.feature_set
),

measured as (
    select
        c.feature_set,
        c.customers,
        c.compared_customers,
        c.moved_customers,
        c.held_customers,
        c.moved_customers::double precision as k,
        c.compared_customers::double precision as n,
        1.959964::double precision as z
    from counted as c
),

bounded as (
    select
        m.feature_set,
        (m.k + m.z * m.z / 2) / nullif(m.n + m.z * m.z, 0) as centre,
        m.z * sqrt(m.k * (m.n - m.k) / nullif(m.n, 0) + m.z * m.z / 4) / nullif(m.n + m.z * m.z, 0) as half
    from measured as m
    where m.n > 0
),

final as (
    select
        m.feature_set,
        m.customers,
        m.compared_customers,
        m.moved_customers,
        m.k / nullif(m.n, 0) as flapping_rate,
        case when b.half is not null then greatest(b.centre - b.half, 0) end as ci_low,
        case when b.half is not null then least(b.centre + b.half, 1) end as ci_high,
        m.held_customers,
        m.compared_customers < p.min_group_size as low_n
    from measured as m
    cross join core.parameters as p
    left join bounded as b on m.feature_set = b.feature_set
)

select * from final

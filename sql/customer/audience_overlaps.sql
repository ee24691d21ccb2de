-- One row per pair of different audiences, both ways: how many customers fit both.
-- Every pair stands here, with 0 where nobody does. `share` is of the first audience: at 1 it lies within the
-- other. Write to the overlap once, not twice.
with rules as (
    select distinct
        r.audience_id,
        r.audience_name
    from core.audience_rules as r
),

matches as (
    select
        a.audience_id,
        a.customer_id,
        a.is_reachable
    from customer.audience_matches as a
),

sizes as (
    select
        m.audience_id,
        count(*) as customers
    from matches as m
    group by m.audience_id
),

pairs as (
    select
        a.audience_id,
        b.audience_id as other_audience_id,
        count(*) as customers,
        count(*) filter (where a.is_reachable) as reachable
    from matches as a
    inner join matches as b on a.customer_id = b.customer_id and a.audience_id <> b.audience_id
    group by a.audience_id, b.audience_id
),

final as (
    select
        a.audience_id,
        b.audience_id as other_audience_id,
        a.audience_name,
        b.audience_name as other_audience_name,
        coalesce(p.customers, 0) as customers,
        coalesce(p.reachable, 0) as reachable,
        coalesce(s.customers, 0) as audience_customers,
        coalesce(p.customers, 0)::double precision / nullif(s.customers, 0) as share
    from rules as a
    inner join rules as b on a.audience_id <> b.audience_id
    left join pairs as p on a.audience_id = p.audience_id and b.audience_id = p.other_audience_id
    left join sizes as s on a.audience_id = s.audience_id
)

select * from final

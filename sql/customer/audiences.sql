-- One row per audience of `core.audience_rules`: its definition, how many customers fit it, and how many may
-- be written to. `reachable` are those who agreed to marketing; who refused and who was never asked are
-- counted beside. Every audience stands here, with zeros where nobody fits. A customer can fit several: see
-- `customer.audience_overlaps`.
with rules as (
    select
        r.audience_id,
        min(r.audience_name) as audience_name,
        min(r.definition) as definition
    from core.audience_rules as r
    group by r.audience_id
),

population as (
    select count(*) as customers
    from core.customers as m
),

matches as (
    select
        a.audience_id,
        count(*) as customers,
        count(*) filter (where a.is_reachable) as reachable,
        count(*) filter (where not a.marketing_consent) as refused,
        count(*) filter (where a.marketing_consent is null) as never_asked,
        sum(a.net_sales) as net_sales
    from customer.audience_matches as a
    group by a.audience_id
),

final as (
    select
        r.audience_id,
        r.audience_name,
        r.definition,
        coalesce(m.customers, 0) as customers,
        p.customers as all_customers,
        coalesce(m.customers, 0)::double precision / nullif(p.customers, 0) as customer_share,
        coalesce(m.reachable, 0) as reachable,
        m.reachable::double precision / nullif(m.customers, 0) as reachable_share,
        coalesce(m.refused, 0) as refused,
        coalesce(m.never_asked, 0) as never_asked,
        coalesce(m.net_sales, 0) as net_sales,
        c.currency
    from rules as r
    cross join population as p
    cross join core.clock as c
    left join matches as m on r.audience_id = m.audience_id
)

select * from final

-- One row per scope, variant, month, breakdown value and step of the funnel that somebody reached: median
-- and mean time from the step before (definitions in behavior.funnel). Scope 1 is the session, 2 the visitor,
-- 3 the visitor and a product; the month NULL is all months together.
with names as (
    select
        n.level,
        n.name,
        n.number
    from behavior.numbered_names as n
),

kinds as (
    select
        k.device_type,
        k.location,
        k.channel,
        k.kind_number as kind
    from behavior.numbered_kinds as k
),

goods as (
    select
        n.number as product,
        p.category
    from core.products as p
    inner join names as n on p.product_id = n.name and n.level = 'product'
    where p.product_type = 'goods'
),

-- seconds from the step before, of units that got there
waits as (
    select
        o.scope,
        o.month,
        o.product,
        o.kind,
        false as cart_optional,
        2 as step,
        extract(epoch from o.cart_at - o.view_at)::numeric(18, 6) as seconds
    from behavior.funnel_outcomes as o
    where o.cart_at is not null
    union all
    select
        o.scope,
        o.month,
        o.product,
        o.kind,
        false as cart_optional,
        3 as step,
        extract(epoch from o.purchase_at - o.cart_at)::numeric(18, 6) as seconds
    from behavior.funnel_outcomes as o
    where o.purchase_at is not null
    union all
    select
        o.scope,
        o.month,
        o.product,
        o.bought_kind as kind,
        true as cart_optional,
        3 as step,
        extract(epoch from o.bought_at - o.bought_view_at)::numeric(18, 6) as seconds
    from behavior.funnel_outcomes as o
    where o.bought_at is not null
),

breakdowns as (
    select b.breakdown
    from (values ('all'), ('device_type'), ('location'), ('channel'), ('category')) as b(breakdown)
),

-- what a kind and a category count for, numbered
members_of_kinds as (
    select
        k.kind,
        b.breakdown,
        case b.breakdown
            when 'all' then 'all'
            when 'device_type' then k.device_type
            when 'location' then k.location
            else k.channel
        end as breakdown_value
    from (
        select
            n.kind,
            n.device_type,
            n.location,
            n.channel
        from kinds as n
        union all
        values (0, 'unknown', 'Unknown', 'unknown')
    ) as k(kind, device_type, location, channel)
    inner join breakdowns as b on b.breakdown <> 'category'
),

numbered_members as (
    select
        m.breakdown,
        m.breakdown_value,
        row_number() over (order by m.breakdown, m.breakdown_value) as member
    from (
        select
            k.breakdown,
            k.breakdown_value
        from members_of_kinds as k
        union
        select
            'category' as breakdown,
            g.category as breakdown_value
        from goods as g
    ) as m
),

kind_members as (
    select
        k.kind,
        m.member
    from members_of_kinds as k
    inner join numbered_members as m on k.breakdown = m.breakdown and k.breakdown_value = m.breakdown_value
),

product_members as (
    select
        g.product,
        m.member
    from goods as g
    inner join numbered_members as m on m.breakdown = 'category' and g.category = m.breakdown_value
),

waits_by_member as (
    select
        w.scope,
        w.cart_optional,
        w.month,
        m.member,
        w.step,
        w.seconds
    from waits as w
    inner join kind_members as m on coalesce(w.kind, 0) = m.kind
    union all
    select
        w.scope,
        w.cart_optional,
        w.month,
        m.member,
        w.step,
        w.seconds
    from waits as w
    inner join product_members as m on w.product = m.product
    where w.scope = 3
),

member_waits as (
    select
        w.scope,
        w.cart_optional,
        w.month,
        w.member,
        w.step,
        percentile_cont(0.5) within group (order by w.seconds::double precision) as median_seconds,
        sum(w.seconds)::double precision / nullif(count(*), 0) as mean_seconds
    from waits_by_member as w
    group by grouping sets (
        (w.scope, w.cart_optional, w.member, w.step, w.month),
        (w.scope, w.cart_optional, w.member, w.step)
    )
),

final as (
    select
        w.scope,
        w.cart_optional,
        coalesce(to_char(w.month, 'YYYY-MM'), 'all') as period_name,
        w.month,
        m.breakdown,
        m.breakdown_value,
        w.step,
        w.median_seconds,
        w.mean_seconds
    from member_waits as w
    inner join numbered_members as m on w.member = m.member
)

select * from final

-- One row per scope, variant, period, breakdown value and step of the way from a product's page over the cart
-- to the purchase. A unit counts once, with that attempt of its that went furthest (the earliest of equals):
-- a view, a cart after it and a purchase after that, within the window from the view. Other events may lie
-- between, and equal moments count as in order. The unit is a session; a visitor in a month; or a visitor and
-- a product in a month. The month is that of the view, so the purchase may fall into the next; the period
-- `all` adds the months up. `cart_optional` is the variant that asks for a view and a purchase only. A
-- breakdown takes the value at the attempt's view (`attribution`), so that its values add up to `all`. Rates
-- of the last days still ripen (`units_open`); the `mature` ones are of attempts whose window is over.
-- Purchases stand in the month of the purchase, on the row of its step: `orphan_purchases` have no view in
-- the window before them, `direct_purchases` have one and no cart in between. Products are goods alone where
-- the unit names the product.
with clock as (
    select
        c.first_interaction_date,
        c.as_of_date,
        (c.as_of_date + 1)::timestamp at time zone p.timezone as data_end_at,
        p.funnel_window_days * interval '24 hours' as time_limit,
        p.min_group_size,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

months as (
    select distinct d.month
    from core.calendar as d
    cross join clock as c
    where d.day between c.first_interaction_date and c.as_of_date
),

-- visits, visitors and goods as numbers, which sort faster than texts; a kind is what breakdowns see
kinds as (
    select
        k.device_type,
        k.location,
        k.channel,
        row_number() over (order by k.device_type, k.location, k.channel) as kind
    from (select distinct v.device_type, v.location, v.channel from core.visits as v) as k
),

visitors as (
    select
        v.visitor_id,
        row_number() over (order by v.visitor_id) as visitor
    from (select distinct s.visitor_id from core.visits as s) as v
),

visits as (
    select
        s.session_id,
        v.visitor,
        k.kind,
        row_number() over (order by s.session_id) as visit
    from core.visits as s
    inner join visitors as v on s.visitor_id = v.visitor_id
    inner join kinds as k
        on s.device_type = k.device_type and s.location = k.location and s.channel = k.channel
),

goods as (
    select
        p.product_id,
        p.category,
        row_number() over (order by p.product_id) as product
    from core.products as p
    where p.product_type = 'goods'
),

events as (
    select
        coalesce(s.visitor, v.visitor) as visitor,
        s.visit,
        g.product,
        s.kind,
        case a.event_type when 'view' then 1 when 'cart' then 2 else 3 end as step,
        a.occurred_at,
        a.occurred_month as month
    from core.activity as a
    cross join clock as c
    left join visits as s on a.session_id = s.session_id
    left join visitors as v on a.visitor_id = v.visitor_id
    left join goods as g on a.product_id = g.product_id
    where a.event_type in ('view', 'cart', 'purchase') and a.occurred_date >= c.first_interaction_date
),

-- carts and purchases in each scope, and the purchase that follows a cart
later_steps as (
    select
        'session' as scope,
        e.visit as unit,
        0 as product,
        e.step,
        e.occurred_at
    from events as e
    where e.step > 1 and e.visit is not null
    union all
    select
        'visitor' as scope,
        e.visitor as unit,
        0 as product,
        e.step,
        e.occurred_at
    from events as e
    where e.step > 1 and e.visitor is not null
    union all
    select
        'visitor_product' as scope,
        e.visitor as unit,
        e.product,
        e.step,
        e.occurred_at
    from events as e
    where e.step > 1 and e.visitor is not null and e.product is not null
),

decisions as (
    select
        d.scope,
        d.unit,
        d.product,
        d.step,
        d.occurred_at,
        min(case when d.step = 3 then d.occurred_at end) over (
            partition by d.scope, d.unit, d.product order by d.occurred_at, d.step
            rows between current row and unbounded following
        ) as next_purchase_at
    from later_steps as d
),

-- only units with a cart or a purchase can get further than the view
walks as (
    select
        d.scope,
        d.unit,
        d.product,
        d.step,
        d.occurred_at,
        null::date as month,
        d.next_purchase_at
    from decisions as d
    union all
    select
        'session' as scope,
        e.visit as unit,
        0 as product,
        e.step,
        e.occurred_at,
        e.month,
        null as next_purchase_at
    from events as e
    where e.step = 1
        and exists (select 1 from decisions as d where d.scope = 'session' and d.unit = e.visit)
    union all
    select
        'visitor' as scope,
        e.visitor as unit,
        0 as product,
        e.step,
        e.occurred_at,
        e.month,
        null as next_purchase_at
    from events as e
    where e.step = 1
        and exists (select 1 from decisions as d where d.scope = 'visitor' and d.unit = e.visitor)
    union all
    select
        'visitor_product' as scope,
        e.visitor as unit,
        e.product,
        e.step,
        e.occurred_at,
        e.month,
        null as next_purchase_at
    from events as e
    where e.step = 1
        and exists (
            select 1
            from decisions as d
            where d.scope = 'visitor_product' and d.unit = e.visitor and d.product = e.product
        )
),

seen as (
    select
        w.scope,
        w.unit,
        w.product,
        w.step,
        w.occurred_at,
        w.month,
        min(case when w.step = 2 then w.occurred_at end) over ahead as next_cart_at,
        min(case when w.step = 2 then w.next_purchase_at end) over ahead as next_cart_purchase_at,
        min(case when w.step = 3 then w.occurred_at end) over ahead as next_purchase_at,
        max(case when w.step = 1 then w.occurred_at end) over behind as last_view_at
    from walks as w
    window
        ahead as (
            partition by w.scope, w.unit, w.product order by w.occurred_at, w.step
            rows between current row and unbounded following
        ),
        behind as (
            partition by w.scope, w.unit, w.product order by w.occurred_at, w.step
            rows between unbounded preceding and current row
        )
),

attempts as (
    select
        s.scope,
        s.unit,
        s.product,
        s.month,
        s.occurred_at as view_at,
        case when s.next_cart_at <= s.occurred_at + c.time_limit then s.next_cart_at end as cart_at,
        case when s.next_cart_purchase_at <= s.occurred_at + c.time_limit then s.next_cart_purchase_at end
            as purchase_at,
        case when s.next_purchase_at <= s.occurred_at + c.time_limit then s.next_purchase_at end as bought_at
    from seen as s
    cross join clock as c
    where s.step = 1
),

-- of units that got further, the earliest attempt of each depth: a later view has no earlier cart or
-- purchase, so that the minima of one depth belong to one attempt
depths as (
    select
        a.scope,
        a.unit,
        a.product,
        a.month,
        min(a.view_at) filter (where a.cart_at is not null) as carted_view_at,
        min(a.cart_at) as cart_at,
        min(a.view_at) filter (where a.purchase_at is not null) as purchased_view_at,
        min(a.cart_at) filter (where a.purchase_at is not null) as purchased_cart_at,
        min(a.purchase_at) as purchase_at,
        min(a.view_at) filter (where a.bought_at is not null) as bought_view_at,
        min(a.bought_at) as bought_at
    from attempts as a
    where a.cart_at is not null or a.bought_at is not null
    group by a.scope, a.unit, a.product, a.month
),

-- the kind of the visit at a view; two views of a visitor at the same moment: the first in the order of kinds
touches as (
    select
        e.visitor,
        e.occurred_at,
        min(e.kind) as kind
    from events as e
    where e.step = 1
    group by e.visitor, e.occurred_at
),

visit_kinds as (
    select
        v.visit,
        v.kind
    from visits as v
),

outcomes as (
    select
        d.scope,
        d.unit,
        d.product,
        d.month,
        coalesce(d.purchased_view_at, d.carted_view_at) as view_at,
        case when d.purchase_at is null then d.cart_at else d.purchased_cart_at end as cart_at,
        d.purchase_at,
        d.bought_view_at,
        d.bought_at,
        coalesce(t.kind, v.kind) as kind,
        coalesce(b.kind, v.kind) as bought_kind
    from depths as d
    left join visit_kinds as v on d.scope = 'session' and d.unit = v.visit
    left join touches as t
        on d.scope <> 'session'
        and d.unit = t.visitor
        and coalesce(d.purchased_view_at, d.carted_view_at) = t.occurred_at
    left join touches as b on d.scope <> 'session' and d.unit = b.visitor and d.bought_view_at = b.occurred_at
),

first_views as (
    select
        'session' as scope,
        e.visit as unit,
        0 as product,
        e.month,
        min(e.occurred_at) as view_at,
        min(e.kind) as low_kind,
        max(e.kind) as high_kind
    from events as e
    where e.step = 1 and e.visit is not null
    group by e.visit, e.month
    union all
    select
        'visitor' as scope,
        e.visitor as unit,
        0 as product,
        e.month,
        min(e.occurred_at) as view_at,
        min(e.kind) as low_kind,
        max(e.kind) as high_kind
    from events as e
    where e.step = 1 and e.visitor is not null
    group by e.visitor, e.month
    union all
    select
        'visitor_product' as scope,
        e.visitor as unit,
        e.product,
        e.month,
        min(e.occurred_at) as view_at,
        min(e.kind) as low_kind,
        max(e.kind) as high_kind
    from events as e
    where e.step = 1 and e.visitor is not null and e.product is not null
    group by e.visitor, e.product, e.month
),

units as (
    select
        f.scope,
        f.month,
        f.product,
        f.scope <> 'session' and coalesce(o.view_at, f.view_at) + c.time_limit > c.data_end_at as is_young,
        f.scope <> 'session' and coalesce(o.bought_view_at, f.view_at) + c.time_limit > c.data_end_at
            as is_bought_young,
        o.cart_at is not null as is_carted,
        o.purchase_at is not null as is_purchased,
        o.bought_at is not null as is_bought,
        case when o.cart_at is not null then o.kind else coalesce(t.kind, f.low_kind) end as kind,
        case when o.bought_at is not null then o.bought_kind else coalesce(t.kind, f.low_kind) end
            as bought_kind
    from first_views as f
    cross join clock as c
    left join outcomes as o
        on f.scope = o.scope and f.unit = o.unit and f.product = o.product and f.month = o.month
    left join touches as t
        on case when f.low_kind < f.high_kind then f.unit end = t.visitor and f.view_at = t.occurred_at
),

counted as (
    select
        u.scope,
        u.month,
        g.category,
        u.kind,
        u.bought_kind,
        count(*) as viewed,
        count(*) filter (where u.is_carted) as carted,
        count(*) filter (where u.is_purchased) as purchased,
        count(*) filter (where u.is_bought) as bought,
        count(*) filter (where u.is_young and not u.is_carted) as cart_open,
        count(*) filter (where u.is_young and not u.is_purchased) as purchase_open,
        count(*) filter (where u.is_bought_young and not u.is_bought) as bought_open,
        count(*) filter (where not u.is_young) as mature,
        count(*) filter (where not u.is_young and u.is_carted) as carted_mature,
        count(*) filter (where not u.is_young and u.is_purchased) as purchased_mature,
        count(*) filter (where not u.is_bought_young) as bought_view_mature,
        count(*) filter (where not u.is_bought_young and u.is_bought) as bought_mature
    from units as u
    left join goods as g on u.product = g.product
    group by u.scope, u.month, g.category, u.kind, u.bought_kind
),

reached as (
    select
        n.scope,
        n.month,
        n.category,
        n.kind,
        false as cart_optional,
        s.step,
        case s.step when 1 then n.viewed when 2 then n.carted else n.purchased end as units_reached,
        case s.step when 1 then 0 when 2 then n.cart_open else n.purchase_open end as units_open,
        case s.step when 1 then n.mature when 2 then n.carted_mature else n.purchased_mature end
            as units_reached_mature
    from counted as n
    cross join (values (1), (2), (3)) as s(step)
    union all
    select
        n.scope,
        n.month,
        n.category,
        n.bought_kind as kind,
        true as cart_optional,
        s.step,
        case s.step when 1 then n.viewed else n.bought end as units_reached,
        case s.step when 1 then 0 else n.bought_open end as units_open,
        case s.step when 1 then n.bought_view_mature else n.bought_mature end as units_reached_mature
    from counted as n
    cross join (values (1), (3)) as s(step)
),

-- seconds from the step before, of units that got there
waits as (
    select
        o.scope,
        o.month,
        g.category,
        o.kind,
        false as cart_optional,
        2 as step,
        extract(epoch from o.cart_at - o.view_at) as seconds
    from outcomes as o
    left join goods as g on o.product = g.product
    where o.cart_at is not null
    union all
    select
        o.scope,
        o.month,
        g.category,
        o.kind,
        false as cart_optional,
        3 as step,
        extract(epoch from o.purchase_at - o.cart_at) as seconds
    from outcomes as o
    left join goods as g on o.product = g.product
    where o.purchase_at is not null
    union all
    select
        o.scope,
        o.month,
        g.category,
        o.bought_kind as kind,
        true as cart_optional,
        3 as step,
        extract(epoch from o.bought_at - o.bought_view_at) as seconds
    from outcomes as o
    left join goods as g on o.product = g.product
    where o.bought_at is not null
),

-- purchases: with a view before them in the window, with a view and then a cart
reasons as (
    select
        s.scope,
        s.unit,
        s.product,
        s.step,
        s.occurred_at,
        s.last_view_at,
        max(case when s.step = 2 then s.last_view_at end) over (
            partition by s.scope, s.unit, s.product order by s.occurred_at, s.step
            rows between unbounded preceding and current row
        ) as last_carted_view_at
    from seen as s
    where s.step > 1
),

explained as (
    select
        r.scope,
        r.unit,
        r.product,
        r.occurred_at,
        coalesce(min(r.last_view_at) + min(c.time_limit) >= r.occurred_at, false) as is_viewed,
        coalesce(min(r.last_carted_view_at) + min(c.time_limit) >= r.occurred_at, false) as is_carted
    from reasons as r
    cross join clock as c
    where r.step = 3
    group by r.scope, r.unit, r.product, r.occurred_at
),

purchases as (
    select
        s.visit,
        coalesce(s.visitor, v.visitor) as visitor,
        g.product,
        g.category,
        a.occurred_at,
        a.occurred_month as month,
        coalesce(k.device_type, a.device_type) as device_type,
        coalesce(k.location, a.location) as location,
        coalesce(k.channel, 'unknown') as channel
    from core.activity as a
    cross join clock as c
    left join visits as s on a.session_id = s.session_id
    left join visitors as v on a.visitor_id = v.visitor_id
    left join kinds as k on s.kind = k.kind
    left join goods as g on a.product_id = g.product_id
    where a.event_type = 'purchase' and a.occurred_date >= c.first_interaction_date
),

judged as (
    select
        s.scope,
        p.month,
        p.category,
        p.device_type,
        p.location,
        p.channel,
        count(*) as purchases,
        count(*) filter (where not coalesce(x.is_viewed, false)) as orphan_purchases,
        count(*) filter (where x.is_viewed and not x.is_carted) as direct_purchases
    from purchases as p
    cross join (values ('session'), ('visitor'), ('visitor_product')) as s(scope)
    left join explained as x
        on s.scope = x.scope
        and case when s.scope = 'session' then p.visit else p.visitor end = x.unit
        and case when s.scope = 'visitor_product' then p.product else 0 end = x.product
        and p.occurred_at = x.occurred_at
    where s.scope <> 'visitor_product' or p.product is not null
    group by s.scope, p.month, p.category, p.device_type, p.location, p.channel
),

breakdowns as (
    select b.breakdown
    from (values ('all'), ('device_type'), ('location'), ('channel'), ('category')) as b(breakdown)
),

reached_by_member as (
    select
        r.scope,
        r.cart_optional,
        r.month,
        b.breakdown,
        case b.breakdown
            when 'all' then 'all'
            when 'device_type' then coalesce(k.device_type, 'unknown')
            when 'location' then coalesce(k.location, 'Unknown')
            when 'channel' then coalesce(k.channel, 'unknown')
            else r.category
        end as breakdown_value,
        r.step,
        r.units_reached,
        r.units_open,
        r.units_reached_mature
    from reached as r
    cross join breakdowns as b
    left join kinds as k on r.kind = k.kind
    where b.breakdown <> 'category' or r.scope = 'visitor_product'
),

unit_figures as (
    select
        r.scope,
        r.cart_optional,
        r.month,
        r.breakdown,
        r.breakdown_value,
        r.step,
        sum(r.units_reached) as units_reached,
        sum(r.units_open) as units_open,
        sum(r.units_reached_mature) as units_reached_mature
    from reached_by_member as r
    group by grouping sets (
        (r.scope, r.cart_optional, r.breakdown, r.breakdown_value, r.step, r.month),
        (r.scope, r.cart_optional, r.breakdown, r.breakdown_value, r.step)
    )
),

waits_by_member as (
    select
        w.scope,
        w.cart_optional,
        w.month,
        b.breakdown,
        case b.breakdown
            when 'all' then 'all'
            when 'device_type' then coalesce(k.device_type, 'unknown')
            when 'location' then coalesce(k.location, 'Unknown')
            when 'channel' then coalesce(k.channel, 'unknown')
            else w.category
        end as breakdown_value,
        w.step,
        w.seconds
    from waits as w
    cross join breakdowns as b
    left join kinds as k on w.kind = k.kind
    where b.breakdown <> 'category' or w.scope = 'visitor_product'
),

wait_figures as (
    select
        w.scope,
        w.cart_optional,
        w.month,
        w.breakdown,
        w.breakdown_value,
        w.step,
        percentile_cont(0.5) within group (order by w.seconds::double precision) as median_seconds,
        sum(w.seconds)::double precision / nullif(count(*), 0) as mean_seconds
    from waits_by_member as w
    group by grouping sets (
        (w.scope, w.cart_optional, w.breakdown, w.breakdown_value, w.step, w.month),
        (w.scope, w.cart_optional, w.breakdown, w.breakdown_value, w.step)
    )
),

purchases_by_member as (
    select
        j.scope,
        j.month,
        b.breakdown,
        case b.breakdown
            when 'all' then 'all'
            when 'device_type' then j.device_type
            when 'location' then j.location
            when 'channel' then j.channel
            else j.category
        end as breakdown_value,
        j.purchases,
        j.orphan_purchases,
        j.direct_purchases
    from judged as j
    cross join breakdowns as b
    where b.breakdown <> 'category' or j.scope = 'visitor_product'
),

purchase_figures as (
    select
        p.scope,
        p.month,
        p.breakdown,
        p.breakdown_value,
        sum(p.purchases) as purchases,
        sum(p.orphan_purchases) as orphan_purchases,
        sum(p.direct_purchases) as direct_purchases
    from purchases_by_member as p
    group by grouping sets (
        (p.scope, p.breakdown, p.breakdown_value, p.month),
        (p.scope, p.breakdown, p.breakdown_value)
    )
),

members as (
    select
        s.scope,
        'all' as breakdown,
        'all' as breakdown_value
    from (values ('session'), ('visitor'), ('visitor_product')) as s(scope)
    union
    select
        u.scope,
        u.breakdown,
        u.breakdown_value
    from unit_figures as u
    union
    select
        p.scope,
        p.breakdown,
        p.breakdown_value
    from purchase_figures as p
),

periods as (
    select
        m.month,
        to_char(m.month, 'YYYY-MM') as period_name
    from months as m
    union all
    select
        null as month,
        'all' as period_name
    from clock as c
    where c.first_interaction_date <= c.as_of_date
),

rows_of_steps as (
    select
        m.scope,
        s.cart_optional,
        p.period_name,
        p.month,
        m.breakdown,
        m.breakdown_value,
        s.step_number,
        s.step,
        s.place
    from members as m
    cross join periods as p
    cross join (
        values
            (false, 1, 'view', 1),
            (false, 2, 'cart', 2),
            (false, 3, 'purchase', 3),
            (true, 1, 'view', 1),
            (true, 2, 'purchase', 3)
    ) as s(cart_optional, step_number, step, place)
),

filled as (
    select
        s.scope,
        s.cart_optional,
        s.period_name,
        s.month,
        s.breakdown,
        s.breakdown_value,
        s.step_number,
        s.step,
        coalesce(u.units_reached, 0)::bigint as units_reached,
        coalesce(u.units_open, 0)::bigint as units_open,
        coalesce(u.units_reached_mature, 0)::bigint as units_reached_mature,
        w.median_seconds,
        w.mean_seconds,
        case when s.step = 'purchase' then coalesce(p.purchases, 0) end as purchases,
        case when s.step = 'purchase' then coalesce(p.orphan_purchases, 0) end as orphan_purchases,
        case when s.step = 'purchase' then coalesce(p.direct_purchases, 0) end as direct_purchases
    from rows_of_steps as s
    left join unit_figures as u
        on s.scope = u.scope
        and s.cart_optional = u.cart_optional
        and s.month is not distinct from u.month
        and s.breakdown = u.breakdown
        and s.breakdown_value = u.breakdown_value
        and s.place = u.step
    left join wait_figures as w
        on s.scope = w.scope
        and s.cart_optional = w.cart_optional
        and s.month is not distinct from w.month
        and s.breakdown = w.breakdown
        and s.breakdown_value = w.breakdown_value
        and s.place = w.step
    left join purchase_figures as p
        on s.scope = p.scope
        and s.month is not distinct from p.month
        and s.breakdown = p.breakdown
        and s.breakdown_value = p.breakdown_value
),

compared as (
    select
        f.scope,
        f.cart_optional,
        f.period_name,
        f.month,
        f.breakdown,
        f.breakdown_value,
        f.step_number,
        f.step,
        first_value(f.units_reached) over steps as units_started,
        lag(f.units_reached) over steps as units_previous,
        f.units_reached,
        f.units_open,
        first_value(f.units_reached_mature) over steps as units_mature,
        f.units_reached_mature,
        f.median_seconds,
        f.mean_seconds,
        f.purchases,
        f.orphan_purchases,
        f.direct_purchases
    from filled as f
    window steps as (
        partition by f.scope, f.cart_optional, f.period_name, f.breakdown, f.breakdown_value
        order by f.step_number
    )
),

-- Wilson's score interval, both ends multiplied by n + z²
intervals as (
    select
        m.scope,
        m.cart_optional,
        m.period_name,
        m.breakdown,
        m.breakdown_value,
        m.step_number,
        m.units_reached + c.z * c.z / 2 as middle,
        c.z * sqrt(
            m.units_reached::double precision * (m.units_previous - m.units_reached)
            / nullif(m.units_previous, 0) + c.z * c.z / 4
        ) as step_half,
        nullif(m.units_previous, 0) + c.z * c.z as step_divisor,
        c.z * sqrt(
            m.units_reached::double precision * (m.units_started - m.units_reached)
            / nullif(m.units_started, 0) + c.z * c.z / 4
        ) as half,
        nullif(m.units_started, 0) + c.z * c.z as divisor,
        m.units_started < c.min_group_size as low_n
    from compared as m
    cross join clock as c
),

final as (
    select
        m.scope,
        m.cart_optional,
        m.period_name,
        m.month,
        m.breakdown,
        m.breakdown_value,
        m.step_number,
        m.step,
        m.units_started,
        m.units_previous,
        m.units_reached,
        m.units_previous - m.units_reached as dropped,
        m.units_reached::double precision / nullif(m.units_previous, 0) as step_conversion,
        case
            when m.units_reached = 0 and m.units_previous > 0 then 0
            else (i.middle - i.step_half) / nullif(i.step_divisor, 0)
        end as step_ci_low,
        case
            when m.units_reached = m.units_previous and m.units_previous > 0 then 1
            else (i.middle + i.step_half) / nullif(i.step_divisor, 0)
        end as step_ci_high,
        m.units_reached::double precision / nullif(m.units_started, 0) as overall_conversion,
        case
            when m.units_reached = 0 and m.units_started > 0 then 0
            else (i.middle - i.half) / nullif(i.divisor, 0)
        end as ci_low,
        case
            when m.units_reached = m.units_started and m.units_started > 0 then 1
            else (i.middle + i.half) / nullif(i.divisor, 0)
        end as ci_high,
        m.median_seconds,
        m.mean_seconds,
        m.units_open,
        m.units_mature,
        m.units_reached_mature,
        m.units_reached_mature::double precision / nullif(m.units_mature, 0) as overall_conversion_mature,
        m.purchases,
        m.orphan_purchases,
        m.direct_purchases,
        'first_touch' as attribution,
        i.low_n
    from compared as m
    inner join intervals as i
        on m.scope = i.scope
        and m.cart_optional = i.cart_optional
        and m.period_name = i.period_name
        and m.breakdown = i.breakdown
        and m.breakdown_value = i.breakdown_value
        and m.step_number = i.step_number
)

select * from final

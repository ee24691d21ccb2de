-- One row per product with any interest, in the last 7 days, the last 28 days and all time, up to the as-of
-- date. `score` counts each visitor once a day, with the weightiest thing done that day to the product (view,
-- wish list, cart, purchase; weights in core.parameters), so that neither robots nor reloading make a product
-- popular; it knows the online shop only. Orders, units and net sales are of all shops, as in kpi. A guest's
-- purchase outside any session is a visitor of its own. Ranks have no ties: the smaller id goes first.
-- `rank_change` counts the places gained by score since the period of the same length before; `trend` is
-- log2((score + 5) / (score_prev + 5)), 1 is twice as much. Both are NULL where the data do not reach back
-- that far, and always for all time. Services and vouchers are left out.
with clock as (
    select
        c.data_begin_date,
        c.as_of_date,
        c.currency,
        p.weight_view,
        p.weight_wishlist,
        p.weight_cart,
        p.weight_purchase
    from core.clock as c
    cross join core.parameters as p
),

spans as (
    select
        s.period_name,
        c.as_of_date - s.days + 1 as begins,
        c.as_of_date as ends,
        c.as_of_date - 2 * s.days + 1 as begins_before,
        c.as_of_date - s.days as ends_before,
        c.data_begin_date <= c.as_of_date - 2 * s.days + 1 as has_before
    from clock as c
    cross join (values ('last 7 days', 7), ('last 28 days', 28)) as s(period_name, days)
    union all
    select
        'all' as period_name,
        c.data_begin_date as begins,
        c.as_of_date as ends,
        null as begins_before,
        null as ends_before,
        false as has_before
    from clock as c
),

goods as (
    select
        p.product_id,
        p.product_name,
        p.category
    from core.products as p
    where p.product_type = 'goods'
),

visitor_days as (
    select
        a.product_id,
        coalesce(a.visitor_id, 'order:' || a.order_id, a.event_id) as visitor_id,
        a.occurred_date as day,
        max(
            case a.event_type
                when 'view' then c.weight_view
                when 'wishlist' then c.weight_wishlist
                when 'cart' then c.weight_cart
                else c.weight_purchase
            end
        ) as weight,
        count(*) filter (where a.event_type = 'view') as views,
        count(*) filter (where a.event_type = 'cart') as carts
    from core.activity as a
    cross join clock as c
    where a.event_type in ('view', 'wishlist', 'cart', 'purchase') and a.product_id is not null
    group by a.product_id, coalesce(a.visitor_id, 'order:' || a.order_id, a.event_id), a.occurred_date
),

lines as (
    select
        s.product_id,
        s.order_id,
        s.sold_date as day,
        s.line_type,
        s.quantity,
        s.net_sales
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.sold_date <= c.as_of_date
),

-- what adds up over days
daily as (
    select
        v.product_id,
        v.day,
        sum(v.weight) as score,
        sum(v.views) as views,
        sum(v.carts) as carts,
        0 as units,
        0 as net_sales
    from visitor_days as v
    group by v.product_id, v.day
    union all
    select
        l.product_id,
        l.day,
        0 as score,
        0 as views,
        0 as carts,
        coalesce(sum(l.quantity) filter (where l.line_type = 'sale'), 0) as units,
        sum(l.net_sales) as net_sales
    from lines as l
    group by l.product_id, l.day
),

sums as (
    select
        s.period_name,
        d.product_id,
        sum(d.score) as score,
        sum(d.views) as views,
        sum(d.carts) as carts,
        sum(d.units) as units,
        sum(d.net_sales) as net_sales
    from daily as d
    inner join spans as s on d.day between s.begins and s.ends
    group by s.period_name, d.product_id
),

sums_before as (
    select
        s.period_name,
        d.product_id,
        sum(d.score) as score
    from daily as d
    inner join spans as s on s.has_before and d.day between s.begins_before and s.ends_before
    group by s.period_name, d.product_id
),

-- what does not: visitors and orders
viewers as (
    select
        v.product_id,
        v.visitor_id,
        max(v.day) as last_day
    from visitor_days as v
    where v.views > 0
    group by v.product_id, v.visitor_id
),

unique_viewers as (
    select
        s.period_name,
        v.product_id,
        count(*) as unique_viewers
    from viewers as v
    inner join spans as s on s.begins <= v.last_day
    group by s.period_name, v.product_id
),

order_days as (
    select
        l.product_id,
        l.order_id,
        max(l.day) as last_day
    from lines as l
    where l.line_type = 'sale'
    group by l.product_id, l.order_id
),

orders as (
    select
        s.period_name,
        o.product_id,
        count(*) as orders
    from order_days as o
    inner join spans as s on s.begins <= o.last_day
    group by s.period_name, o.product_id
),

figures as (
    select
        s.period_name,
        s.product_id,
        g.product_name,
        g.category,
        s.views,
        coalesce(v.unique_viewers, 0) as unique_viewers,
        s.carts,
        coalesce(o.orders, 0) as orders,
        s.units,
        s.net_sales,
        s.score
    from sums as s
    inner join goods as g on s.product_id = g.product_id
    left join unique_viewers as v on s.period_name = v.period_name and s.product_id = v.product_id
    left join orders as o on s.period_name = o.period_name and s.product_id = o.product_id
),

ranks_before as (
    select
        b.period_name,
        b.product_id,
        b.score,
        row_number() over (partition by b.period_name order by b.score desc, b.product_id) as rank_score
    from sums_before as b
    inner join goods as g on b.product_id = g.product_id
    where b.score > 0
),

ranked as (
    select
        f.period_name,
        f.product_id,
        f.product_name,
        f.category,
        f.views,
        f.unique_viewers,
        f.carts,
        f.orders,
        f.units,
        f.net_sales,
        f.score,
        row_number() over (partition by f.period_name order by f.views desc, f.product_id) as rank_views,
        row_number() over (partition by f.period_name order by f.orders desc, f.product_id) as rank_orders,
        row_number() over (partition by f.period_name order by f.net_sales desc, f.product_id)
            as rank_net_sales,
        row_number() over (partition by f.period_name order by f.score desc, f.product_id) as rank_score
    from figures as f
),

final as (
    select
        r.period_name,
        r.product_id,
        r.product_name,
        r.category,
        r.views,
        r.unique_viewers,
        r.carts,
        r.orders,
        r.units,
        r.net_sales,
        r.score,
        r.rank_views,
        r.rank_orders,
        r.rank_net_sales,
        r.rank_score,
        case when s.has_before then coalesce(b.score, 0) end as score_prev,
        b.rank_score as rank_score_prev,
        b.rank_score - r.rank_score as rank_change,
        case
            when s.has_before
                then ln((r.score + 5)::double precision / nullif(coalesce(b.score, 0) + 5, 0))
                    / nullif(ln(2::double precision), 0)
        end as trend,
        c.currency
    from ranked as r
    cross join clock as c
    inner join spans as s on r.period_name = s.period_name
    left join ranks_before as b on r.period_name = b.period_name and r.product_id = b.product_id
)

select * from final

-- One row per breakdown (all, loyalty segment or location of the customer), member and way of shipping, over
-- all time. The way of shipping is that of the order's earliest line that names one, else `In store` where it
-- was sold over a counter, else `Unknown`; a return counts with the order that it can be traced to, else by
-- its own. `share` is the part of the member's orders. Repeat customers have chosen this way of shipping two
-- or more times. Guests are a member of their own (`Guest`). The loyalty segment counts all orders of the
-- customer, also those before the data begin where the source declares them.
with clock as (
    select
        c.as_of_date,
        c.currency,
        p.min_group_size,
        p.loyal_above_orders
    from core.clock as c
    cross join core.parameters as p
),

orders as (
    select
        o.order_id,
        o.customer_id,
        o.shipping_type
    from kpi.order_traits as o
),

lines as (
    select
        s.sale_id,
        s.order_id,
        s.original_sale_id,
        s.customer_id,
        s.shipping_type,
        t.channel,
        s.line_type,
        s.gross_sales - s.discounts as sales_value,
        s.shipping_amount,
        s.net_sales
    from core.sales as s
    cross join clock as c
    left join core.stores as t on s.store_id = t.store_id
    where s.is_valid and s.sold_date <= c.as_of_date
),

counted as (
    select
        o.customer_id,
        count(*) as orders
    from orders as o
    where o.customer_id is not null
    group by o.customer_id
),

loyalty as (
    select
        c.customer_id,
        c.location,
        case
            when coalesce(n.orders, 0) + coalesce(c.previous_purchases, 0) > k.loyal_above_orders then 'Loyal'
            when coalesce(n.orders, 0) + coalesce(c.previous_purchases, 0) > 1 then 'Returning'
            when coalesce(n.orders, 0) + coalesce(c.previous_purchases, 0) = 1 then 'New'
            else 'Prospect'
        end as loyalty_segment
    from core.customers as c
    cross join clock as k
    left join counted as n on c.customer_id = n.customer_id
),

returned as (
    select
        r.sale_id,
        l.order_id
    from lines as r
    inner join lines as l on r.original_sale_id = l.sale_id and l.line_type = 'sale'
    where r.line_type = 'return'
),

traced as (
    select
        o.order_id,
        case when o.order_id is not null then o.customer_id else l.customer_id end as customer_id,
        coalesce(
            o.shipping_type, l.shipping_type, case when l.channel = 'store' then 'In store' else 'Unknown' end
        ) as shipping_type,
        l.line_type = 'sale' as is_sale,
        l.sales_value,
        l.shipping_amount,
        l.net_sales
    from lines as l
    left join returned as r on l.sale_id = r.sale_id
    left join orders as o on coalesce(r.order_id, l.order_id) = o.order_id
),

customer_sums as (
    select
        t.customer_id,
        t.shipping_type,
        count(distinct t.order_id) filter (where t.is_sale) as orders,
        sum(t.sales_value) as sales_value,
        sum(t.shipping_amount) as shipping,
        sum(t.net_sales) as net_sales
    from traced as t
    group by t.customer_id, t.shipping_type
),

described as (
    select
        s.customer_id,
        s.shipping_type,
        s.orders,
        s.sales_value,
        s.shipping,
        s.net_sales,
        coalesce(c.location, 'Guest') as location,
        coalesce(c.loyalty_segment, 'Guest') as loyalty_segment
    from customer_sums as s
    left join loyalty as c on s.customer_id = c.customer_id
),

parts as (
    select 'all' as breakdown, 'all' as member, d.shipping_type, d.customer_id, d.orders, d.sales_value,
        d.shipping,
        d.net_sales
    from described as d
    union all
    select 'loyalty' as breakdown, d.loyalty_segment as member, d.shipping_type, d.customer_id, d.orders,
        d.sales_value, d.shipping, d.net_sales
    from described as d
    union all
    select 'location' as breakdown, d.location as member, d.shipping_type, d.customer_id, d.orders,
        d.sales_value,
        d.shipping, d.net_sales
    from described as d
),

sums as (
    select
        p.breakdown,
        p.member,
        p.shipping_type,
        sum(p.orders)::bigint as orders,
        count(p.customer_id) filter (where p.orders >= 1) as customers,
        count(p.customer_id) filter (where p.orders >= 2) as repeat_customers,
        sum(p.sales_value) as sales_value,
        sum(p.shipping) as shipping,
        sum(p.net_sales) as net_sales
    from parts as p
    group by p.breakdown, p.member, p.shipping_type
),

final as (
    select
        s.breakdown,
        s.member,
        s.shipping_type,
        s.orders,
        sum(s.orders) over (partition by s.breakdown, s.member) as orders_of_member,
        s.orders::double precision / nullif(sum(s.orders) over (partition by s.breakdown, s.member), 0)
            as share,
        s.customers,
        s.repeat_customers,
        s.repeat_customers::double precision / nullif(s.customers, 0) as repeat_rate,
        s.sales_value as gross_less_discounts,
        (s.sales_value / nullif(s.orders, 0))::numeric(18, 4) as aov,
        s.net_sales,
        s.shipping,
        s.orders < c.min_group_size as low_n,
        c.currency
    from sums as s
    cross join clock as c
)

select * from final

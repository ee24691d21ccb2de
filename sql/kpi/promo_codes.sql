-- One row per promotion code that a sale line bears, up to the as-of date: who used it and what it brought.
-- An order with two codes counts in both. `ordered_value` and `aov` are of the whole orders in which the code
-- was used, `discounts` and `net_sales` of the lines that bear it, less what of them was given back. An order
-- is unpaid if it bears the code and none of its sale lines counts, because it is pending, failed or was
-- cancelled: codes that are tried and not bought with stand out there. The share of orders without any code
-- is in `kpi.revenue_drivers`.
with sales as (
    select
        s.sale_id,
        s.original_sale_id,
        s.promo_code,
        s.order_id,
        s.sold_date,
        s.line_type,
        s.status,
        s.is_valid,
        s.gross_sales,
        s.discounts,
        s.returns,
        s.net_sales
    from core.sales as s
    cross join core.clock as c
    where s.sold_date <= c.as_of_date
),

returned as (
    select
        r.sale_id,
        o.promo_code
    from sales as r
    inner join sales as o on r.original_sale_id = o.sale_id
    where r.line_type = 'return' and r.is_valid and o.line_type = 'sale' and o.is_valid
        and o.promo_code is not null
),

lines as (
    select
        coalesce(s.promo_code, r.promo_code) as promo_code,
        s.order_id,
        s.sold_date,
        s.line_type,
        s.status,
        s.is_valid,
        s.gross_sales,
        s.discounts,
        s.returns,
        s.net_sales
    from sales as s
    left join returned as r on s.sale_id = r.sale_id
    where s.promo_code is not null or r.promo_code is not null
),

orders as (
    select
        o.order_id,
        o.customer_id,
        o.is_first_order,
        o.order_value
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
),

sums as (
    select
        l.promo_code,
        min(l.sold_date) filter (where l.is_valid and l.line_type = 'sale') as first_used_date,
        max(l.sold_date) filter (where l.is_valid and l.line_type = 'sale') as last_used_date,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        sum(l.returns) as returns,
        sum(l.net_sales) as net_sales
    from lines as l
    group by l.promo_code
),

uses as (
    select distinct
        l.promo_code,
        l.order_id,
        o.order_id is not null as is_paid
    from lines as l
    left join orders as o on l.order_id = o.order_id
    where l.line_type = 'sale'
        and (l.is_valid or (o.order_id is null and l.status in ('pending', 'failed', 'cancelled')))
),

counts as (
    select
        u.promo_code,
        count(*) filter (where u.is_paid) as orders,
        count(*) filter (where not u.is_paid) as unpaid_orders,
        count(*) filter (where u.is_paid and o.customer_id is null) as guest_orders,
        count(distinct o.customer_id) as customers,
        count(*) filter (where o.is_first_order) as new_customers,
        coalesce(sum(o.order_value), 0) as ordered_value,
        percentile_cont(0.5) within group (order by o.order_value::double precision) as median_order_value
    from uses as u
    left join orders as o on u.order_id = o.order_id
    group by u.promo_code
),

final as (
    select
        n.promo_code,
        s.first_used_date,
        s.last_used_date,
        n.orders,
        n.guest_orders,
        n.customers,
        n.new_customers,
        n.new_customers::double precision / nullif(n.customers, 0) as new_customer_share,
        n.ordered_value,
        (n.ordered_value / nullif(n.orders, 0))::numeric(18, 4) as aov,
        n.median_order_value::numeric(18, 4) as median_order_value,
        s.gross_sales,
        s.discounts,
        s.discounts::double precision / nullif(s.gross_sales, 0) as discount_rate,
        s.returns,
        s.net_sales,
        n.unpaid_orders,
        n.unpaid_orders::double precision / nullif(n.orders + n.unpaid_orders, 0) as unpaid_share,
        n.orders < p.min_group_size as low_n,
        k.currency
    from counts as n
    inner join sums as s on n.promo_code = s.promo_code
    cross join core.clock as k
    cross join core.parameters as p
)

select * from final

-- One row per dimension of products, member and month (and `all`, for all time): what kpi.revenue_drivers tells of them.
-- Attributes of products are those of now.
with products as (
    select
        p.product_id,
        p.category,
        coalesce(p.season, 'Unknown') as season,
        coalesce(p.size, 'Unknown') as size,
        coalesce(p.color, 'Unknown') as color,
        coalesce(p.brand, 'Unknown') as brand
    from core.products as p
),

lines as (
    select
        l.month,
        l.order_id,
        l.customer_id,
        l.product_id,
        bool_or(l.is_sale) as is_sale,
        coalesce(sum(l.quantity) filter (where l.is_sale), 0) as units,
        sum(l.sales_value) as sales_value,
        sum(l.net_sales) as net_sales
    from kpi.described_lines as l
    group by l.month, l.order_id, l.customer_id, l.product_id
),

described as (
    select
        l.month,
        l.order_id,
        l.customer_id,
        l.is_sale,
        l.units,
        l.sales_value,
        l.net_sales,
        l.product_id,
        p.category,
        p.season,
        p.size,
        p.color,
        p.brand
    from lines as l
    inner join products as p on l.product_id = p.product_id
),

final as (
    select
        case
            when grouping(l.product_id) = 0 then 'product'
            when grouping(l.category) = 0 then 'category'
            when grouping(l.season) = 0 then 'season'
            when grouping(l.size) = 0 then 'size'
            when grouping(l.color) = 0 then 'color'
            else 'brand'
        end as dimension,
        coalesce(l.product_id, l.category, l.season, l.size, l.color, l.brand) as member,
        coalesce(to_char(l.month, 'YYYY-MM'), 'all') as period_name,
        l.month,
        count(distinct l.order_id) filter (where l.is_sale) as orders,
        count(distinct l.customer_id) filter (where l.is_sale) as customers,
        sum(l.units) as units,
        sum(l.sales_value) as sales_value,
        sum(l.net_sales) as net_sales
    from described as l
    group by grouping sets (
        (l.product_id, l.month), (l.category, l.month), (l.season, l.month), (l.size, l.month),
        (l.color, l.month), (l.brand, l.month),
        (l.product_id), (l.category), (l.season), (l.size), (l.color), (l.brand)
    )
)

select * from final
